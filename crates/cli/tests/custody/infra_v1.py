"""A client of infra.v1 that shares no code with Quorumkeep: what it knows is in docs/custody-api.md and in the proto files.

    infra_v1.py keys FOLDER CLIENTS NAME...      makes keys and certificates; registers all but those that begin with "un"
    infra_v1.py deliver FOLDER CONFIG            every RPC of the delivery, right and wrong
    infra_v1.py recover FOLDER CONFIG            a recovery with bare shares; its session is open
    infra_v1.py flood FOLDER CONFIG              one client asks until it is told to wait; the others go on
    infra_v1.py committed FOLDER CONFIG yes|no   was it approved for the second time?

CONFIG is a file: grpc, certificate, protos, custody, service (the key of vouchers), manifest (the signed one).
"""

import hashlib
import hmac
import json
import os
import sys
import tempfile
import datetime

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from grpc_tools import protoc

PEM, RAW = serialization.Encoding.PEM, serialization.Encoding.Raw
PKCS8, PLAIN = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
C = grpc.StatusCode


def tagged(tag, message):
    """SHA-256(tag || 0 || message): what is signed."""
    return hashlib.sha256(tag.encode() + b"\0" + message).digest()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


# Keys -------------------------------------------------------------------------------------------------------------------


def make(folder, clients, name):
    share, sign, tls = ec.generate_private_key(ec.SECP256K1()), ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a client")])
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(tls.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1)).not_valid_after(datetime.datetime(2120, 1, 1))
        .sign(tls, hashes.SHA256())
    )
    for suffix, key in (("share", share), ("sign", sign), ("tls", tls)):
        with open(os.path.join(folder, f"{name}.{suffix}"), "wb") as file:
            file.write(key.private_bytes(PEM, PKCS8, PLAIN))
    places = [os.path.join(folder, f"{name}.pem")] + ([] if name.startswith("un") else [os.path.join(clients, f"{name}.pem")])
    for place in places:
        with open(place, "wb") as file:
            file.write(certificate.public_bytes(PEM))
    point = share.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return {"name": name, "recipient": point.hex(), "signing": sign.public_key().public_bytes(RAW, serialization.PublicFormat.Raw).hex()}


def load(folder, name, suffix):
    with open(os.path.join(folder, f"{name}.{suffix}"), "rb") as file:
        return serialization.load_pem_private_key(file.read(), None)


def point_of(folder, name):
    public = load(folder, name, "share").public_key()
    return public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def open_envelope(secret, sealed):
    """ECIES_AES128_SHA256 of go-ethereum."""
    point, iv, text, tag = sealed[:65], sealed[65:81], sealed[81:-32], sealed[-32:]
    shared = secret.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), point))
    key = hashlib.sha256(b"\0\0\0\1" + shared).digest()
    mac = hmac.new(hashlib.sha256(key[16:]).digest(), iv + text, hashlib.sha256).digest()
    assert hmac.compare_digest(mac, tag), "the envelope does not open"
    decryptor = Cipher(algorithms.AES(key[:16]), modes.CTR(iv)).decryptor()
    return decryptor.update(text) + decryptor.finalize()


# Calls ------------------------------------------------------------------------------------------------------------------


class Client:
    """The two services, as somebody."""

    def __init__(self, config, folder, name, certified=True):
        with open(config["certificate"], "rb") as file:
            server = file.read()
        own = {}
        if certified:
            with open(os.path.join(folder, f"{name}.tls"), "rb") as key, open(os.path.join(folder, f"{name}.pem"), "rb") as chain:
                own = {"private_key": key.read(), "certificate_chain": chain.read()}
        credentials = grpc.ssl_channel_credentials(root_certificates=server, **own)
        self.channel = grpc.secure_channel(config["grpc"], credentials)
        self.folder, self.name = folder, name
        self.backup = config["stubs"].BackupServiceStub(self.channel)
        self.delivery = config["stubs"].BackupDeliveryServiceStub(self.channel)

    def share(self, index, **more):
        return {"client_id": self.name, "key_id": "wallet-1", "node_id": "server-proxy-1", "share_index": index, **more}


def call(method, request, metadata=()):
    """The answer and the metadata of the server."""
    answer, done = method.with_call(request, metadata=metadata, timeout=20)
    return answer, {**dict(done.initial_metadata()), **dict(done.trailing_metadata() or ())}


def refused(method, request, status, code, metadata=()):
    try:
        method(request, metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        told = dict(error.trailing_metadata() or ()).get("quorumkeep-code")
        found = (error.code(), told)
        assert found == (status, code), f"expected {(status, code)}, got {found}: {error.details()}"
        assert code is None or error.details().startswith(f"{code}: "), error.details()
        return error.details()
    raise AssertionError(f"not refused: {type(request).__name__}, expected {code}")


def turned_away(client, pb):
    """No handshake, no answer."""
    try:
        client.backup.GetBackupStatus(pb.GetBackupStatusRequest(key_id="wallet-1"), timeout=20)
    except grpc.RpcError as error:
        assert error.code() in (C.UNAVAILABLE, C.UNAUTHENTICATED), error
        return
    raise AssertionError("a client without a registered certificate was answered")


# Phases -----------------------------------------------------------------------------------------------------------------


def deliver(config, folder, pb):
    manifest = config["manifest"]["manifest"]
    names = [share["guardian"]["name"] for share in manifest["shares"]]
    clients = {name: Client(config, folder, name) for name in names + ["watcher"]}
    everybody(clients, names, pb)
    wrong(config, folder, clients, names, pb)
    for index, name in enumerate(names, 1):
        fetch(config, clients[name], index, pb)
    failure(clients[names[3]], 4, pb)
    for index in (1, 2):
        confirm(config, clients[names[index - 1]], index, pb)
        assert not recoverable(clients["watcher"], pb), "two receipts are less than three"
    confirm(config, clients[names[2]], 3, pb)
    assert recoverable(clients["watcher"], pb)
    removed(config, folder, clients["watcher"], pb)


def everybody(clients, names, pb):
    watcher = clients["watcher"]
    status, _ = call(watcher.backup.GetBackupStatus, pb.GetBackupStatusRequest(key_id="wallet-1"))
    assert [(s.node_id, s.total_shares, s.required_shares, s.recoverable) for s in status.statuses] == [("server-proxy-1", 5, 3, False)], status
    listed, _ = call(watcher.backup.ListBackupShares, pb.ListBackupSharesRequest(key_id="wallet-1"))
    shares = listed.shares_by_node["server-proxy-1"].shares
    assert [share.share_index for share in shares] == [1, 2, 3, 4, 5], listed
    for share in shares:
        assert datetime.datetime.fromisoformat(share.created_at.replace("Z", "+00:00")).year >= 2025, share
    one, _ = call(watcher.backup.ListBackupShares, pb.ListBackupSharesRequest(key_id="wallet-1", node_id="server-proxy-1"))
    assert one == listed
    for asked in (pb.ListBackupSharesRequest(key_id="wallet-1", node_id="nobody"), pb.ListBackupSharesRequest(key_id="wallet")):
        refused(watcher.backup.ListBackupShares, asked, C.NOT_FOUND, "set_unknown")
    refused(watcher.backup.GetBackupStatus, pb.GetBackupStatusRequest(key_id="../wallet-1"), C.INVALID_ARGUMENT, "name_invalid")
    waits, _ = call(clients[names[0]].delivery.QueryShareStatus, pb.ShareStatusQuery(**clients[names[0]].share(1)))
    assert (waits.status, waits.delivered_at, waits.confirmed_at) == ("pending", 0, 0), waits


def wrong(config, folder, clients, names, pb):
    turned_away(Client(config, folder, "unregistered"), pb)
    turned_away(Client(config, folder, names[0], certified=False), pb)
    first, second = clients[names[0]], clients[names[1]]
    ask, key = first.delivery.RequestShareDelivery, point_of(folder, names[0])
    own = lambda **more: pb.ShareDeliveryRequest(**{**first.share(1), "client_public_key": key, **more})
    # Somebody else's name, share, key; the key of a stranger, which is how upstream's service gave shares away.
    refused(ask, own(client_id=names[1]), C.PERMISSION_DENIED, "client_differs")
    refused(ask, own(share_index=2), C.PERMISSION_DENIED, "share_not_yours")
    refused(ask, own(client_public_key=point_of(folder, names[1])), C.PERMISSION_DENIED, "public_key_differs")
    refused(ask, own(client_public_key=point_of(folder, "unregistered")), C.PERMISSION_DENIED, "public_key_differs")
    refused(ask, own(client_public_key=key[:64]), C.INVALID_ARGUMENT, "public_key_length")
    for index in (0, -1, 256):
        refused(ask, own(share_index=index), C.INVALID_ARGUMENT, "index_invalid")
    refused(ask, own(share_index=6), C.PERMISSION_DENIED, "share_not_yours")
    refused(ask, own(key_id="Wallet"), C.INVALID_ARGUMENT, "name_invalid")
    refused(ask, own(key_id="wallet-2"), C.NOT_FOUND, "set_unknown")
    watcher = clients["watcher"]
    refused(watcher.delivery.RequestShareDelivery, own(client_id="watcher"), C.NOT_FOUND, "guardian_unknown")
    refused(second.delivery.QueryShareStatus, pb.ShareStatusQuery(**second.share(1)), C.PERMISSION_DENIED, "share_not_yours")
    said = pb.ShareConfirmationRequest(**first.share(1), received_successfully=True)
    refused(first.delivery.ConfirmShareDelivery, said, C.FAILED_PRECONDITION, "delivery_state")
    # Longer than any message.
    refused(ask, own(client_public_key=bytes(70_000)), C.OUT_OF_RANGE, None)
    nothing = pb.RecoverMPCShareRequest(key_id="wallet-1", node_id="server-proxy-1")
    refused(first.backup.RecoverMPCShare, nothing, C.FAILED_PRECONDITION, "session_missing")


def fetch(config, client, index, pb):
    request = pb.ShareDeliveryRequest(**client.share(index), client_public_key=point_of(client.folder, client.name))
    answer, told = call(client.delivery.RequestShareDelivery, request)
    entry = config["manifest"]["manifest"]["shares"][index - 1]
    assert hashlib.sha256(answer.encrypted_share).hexdigest() == entry["envelope_sha256"]
    voucher = told["quorumkeep-voucher-bin"]
    config["service_key"].verify(answer.signature, tagged("QUORUMKEEP_CUSTODY_VOUCHER_V1", voucher))
    expected = {
        "custody": config["custody"], "key_id": "wallet-1", "node_id": "server-proxy-1", "generation": 1,
        "share_index": index, "recipient": client.name, "manifest_hash": manifest_hash(config).hex(),
        "envelope_sha256": entry["envelope_sha256"], "timestamp": answer.timestamp, "status": "delivered",
    }
    assert canonical(expected) == voucher, voucher
    # A lost answer is asked for again: the same bytes, the same voucher, and still one attempt.
    again, told_again = call(client.delivery.RequestShareDelivery, request)
    assert (again, told_again["quorumkeep-voucher-bin"]) == (answer, voucher)
    plain = open_envelope(load(client.folder, client.name, "share"), answer.encrypted_share)
    assert plain[:5] == b"QKSH\x01" and int.from_bytes(plain[37:41], "big") == 1 and plain[41] == index
    with open(os.path.join(client.folder, f"{client.name}.plain"), "wb") as file:
        file.write(plain)
    state, _ = call(client.delivery.QueryShareStatus, pb.ShareStatusQuery(**client.share(index)))
    assert (state.status, state.delivered_at) == ("delivered", answer.timestamp), state


def manifest_hash(config):
    return tagged("QUORUMKEEP_CUSTODY_MANIFEST_V1", canonical(config["manifest"]["manifest"]))


def receipt(config, name, index, folder, generation=1):
    entry = config["manifest"]["manifest"]["shares"][index - 1]
    message = manifest_hash(config) + generation.to_bytes(4, "big") + bytes([index]) + bytes.fromhex(entry["envelope_sha256"])
    return load(folder, name, "sign").sign(tagged("QUORUMKEEP_CUSTODY_RECEIPT_V1", message))


def confirm(config, client, index, pb):
    said = pb.ShareConfirmationRequest(**client.share(index), received_successfully=True)
    send = client.delivery.ConfirmShareDelivery
    answer, _ = call(send, said)
    assert not answer.confirmed and "signature" in answer.message, answer
    state, _ = call(client.delivery.QueryShareStatus, pb.ShareStatusQuery(**client.share(index)))
    assert (state.status, state.confirmed_at) == ("delivered", 0), "words alone confirm nothing"
    right = receipt(config, client.name, index, client.folder)
    bad = [bytes(64), right[:63] + bytes([right[63] ^ 1]), receipt(config, client.name, index, client.folder, 2)]
    bad += [receipt(config, client.name, index % 5 + 1, client.folder), receipt(config, "watcher", index, client.folder)]
    for signature in bad:
        refused(send, said, C.INVALID_ARGUMENT, "receipt_invalid", [("quorumkeep-confirmation-bin", signature)])
    for signature in (right[:63], b""):
        refused(send, said, C.INVALID_ARGUMENT, "confirmation_invalid", [("quorumkeep-confirmation-bin", signature)])
    long = pb.ShareConfirmationRequest(**client.share(index), failure_reason="\U0001f511" * 15_000)
    refused(send, long, C.INVALID_ARGUMENT, "text_invalid")
    both = pb.ShareConfirmationRequest(**client.share(index), failure_reason="x")
    refused(send, both, C.INVALID_ARGUMENT, "confirmation_invalid", [("quorumkeep-confirmation-bin", right)])
    for _ in range(2):
        answer, _ = call(send, said, [("quorumkeep-confirmation-bin", right)])
        assert answer.confirmed, answer
    state, _ = call(client.delivery.QueryShareStatus, pb.ShareStatusQuery(**client.share(index)))
    assert state.status == "confirmed" and state.confirmed_at >= state.delivered_at > 0, state
    refused(send, pb.ShareConfirmationRequest(**client.share(index), failure_reason="x"), C.FAILED_PRECONDITION, "delivery_state")


def failure(client, index, pb):
    said = pb.ShareConfirmationRequest(**client.share(index), failure_reason="the disk is full")
    answer, _ = call(client.delivery.ConfirmShareDelivery, said)
    assert not answer.confirmed, answer
    state, _ = call(client.delivery.QueryShareStatus, pb.ShareStatusQuery(**client.share(index)))
    assert (state.status, state.failure_reason) == ("failed", "the disk is full"), state
    request = pb.ShareDeliveryRequest(**client.share(index), client_public_key=point_of(client.folder, client.name))
    call(client.delivery.RequestShareDelivery, request)
    state, _ = call(client.delivery.QueryShareStatus, pb.ShareStatusQuery(**client.share(index)))
    assert (state.status, state.failure_reason) == ("delivered", ""), state


def recoverable(client, pb):
    status, _ = call(client.backup.GetBackupStatus, pb.GetBackupStatusRequest(key_id="wallet-1"))
    return status.statuses[0].recoverable


def removed(config, folder, watcher, pb):
    """Whose file is taken away is refused on an open connection, and gets no new one."""
    assert recoverable(watcher, pb)
    os.remove(os.path.join(config["clients"], "watcher.pem"))
    refused(watcher.backup.GetBackupStatus, pb.GetBackupStatusRequest(key_id="wallet-1"), C.UNAUTHENTICATED, "client_unknown")
    turned_away(Client(config, folder, "watcher"), pb)


def recover(config, folder, pb):
    names = [share["guardian"]["name"] for share in config["manifest"]["manifest"]["shares"]]
    clients = {name: Client(config, folder, name) for name in names}

    def give(name, share=b""):
        request = pb.RecoverMPCShareRequest(key_id="wallet-1", node_id="server-proxy-1", share_data=share)
        answer, _ = call(clients[name].backup.RecoverMPCShare, request)
        assert (answer.key_id, answer.node_id, answer.success) == ("wallet-1", "server-proxy-1", False), answer
        return answer.message

    def plain(name):
        with open(os.path.join(folder, f"{name}.plain"), "rb") as file:
            return file.read()

    assert give(names[0]) == "0 of 3"
    assert give(names[0], plain(names[0])) == "1 of 3"
    # The same again is one share; upstream's service would have combined it with itself.
    assert give(names[0], plain(names[0])) == "1 of 3"
    bare = plain(names[2])[42:-32]
    assert give(names[2], bare) == "2 of 3"
    ask = clients[names[1]].backup.RecoverMPCShare
    for bad in (bytes(33), plain(names[1])[:-1], bytes([bare[0] ^ 1]) + bare[1:], bare[:-1] + bytes([bare[-1] ^ 1])):
        request = pb.RecoverMPCShareRequest(key_id="wallet-1", node_id="server-proxy-1", share_data=bad)
        text = refused(ask, request, C.INVALID_ARGUMENT, "share_bad")
        assert bad.hex() not in text and repr(bad) not in text
    long = pb.RecoverMPCShareRequest(key_id="wallet-1", node_id="server-proxy-1", share_data=bytes(9000))
    refused(ask, long, C.INVALID_ARGUMENT, "share_length")
    assert give(names[1]) == "2 of 3"
    other = pb.RecoverMPCShareRequest(key_id="wallet-1", node_id="server-proxy-2")
    refused(ask, other, C.FAILED_PRECONDITION, "session_missing")
    assert give(names[1], plain(names[1])) == "3 of 3"


def committed(config, folder, pb):
    name = config["manifest"]["manifest"]["shares"][0]["guardian"]["name"]
    request = pb.RecoverMPCShareRequest(key_id="wallet-1", node_id="server-proxy-1")
    answer, _ = call(Client(config, folder, name).backup.RecoverMPCShare, request)
    expected = {"no": (False, "3 of 3"), "yes": (True, "3 of 3, committed")}[sys.argv[4]]
    assert (answer.success, answer.message) == expected, answer


def flood(config, folder, pb):
    request = pb.GetBackupStatusRequest(key_id="wallet-1")
    entries = config["manifest"]["manifest"]["shares"]
    loud, quiet = (Client(config, folder, entries[at]["guardian"]["name"]) for at in (4, 3))
    for asked in range(1000):
        try:
            loud.backup.GetBackupStatus(request, timeout=20)
        except grpc.RpcError as error:
            told = dict(error.trailing_metadata() or ())
            assert error.code() == C.RESOURCE_EXHAUSTED and told["quorumkeep-code"] == "rate_limited", error
            assert int(told["retry-after"]) >= 1, told
            break
    else:
        raise AssertionError("1000 requests at once, and no limit")
    assert asked >= 200, asked
    call(quiet.backup.GetBackupStatus, request)


def main():
    phase, folder = sys.argv[1:3]
    if phase == "keys":
        print(json.dumps([make(folder, sys.argv[3], name) for name in sys.argv[4:]]))
        return
    with open(sys.argv[3], "rb") as file:
        config = json.load(file)
    config["service_key"] = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(config["service"]))
    with tempfile.TemporaryDirectory() as made:
        protos = config["protos"]
        files = [f"{protos}/infra/v1/{name}.proto" for name in ("backup", "common")]
        # The reference compiler of protocol buffers reads the files, too.
        assert protoc.main(["", f"-I{protos}", f"--python_out={made}", f"--grpc_python_out={made}", *files]) == 0
        sys.path.insert(0, made)
        from infra.v1 import backup_pb2, backup_pb2_grpc
        config["stubs"] = backup_pb2_grpc
        {"deliver": deliver, "recover": recover, "flood": flood, "committed": committed}[phase](config, folder, backup_pb2)
    print("ok")


if __name__ == "__main__":
    main()
