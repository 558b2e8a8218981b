//! `POST /app/sign` through HTTPS against the bare cryptography of one answer, on the same processor.
//!
//! The node and the floor take turns on one processor; the client has another one. The board and the other nodes are ended
//! first: a node that cannot reach its board goes on signing.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ed25519_dalek::{Signer, SigningKey};
use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::bn254;
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId};
use quorumkeep_ibe::{AppId, AppIdentity, Format, sign_partial};
use quorumkeep_node::serving::{SignRequest, owner_hash, partial_hash};
use quorumkeep_server::client::{Client, Settings};
use quorumkeep_server::network::NetworkFile;
use quorumkeep_server::node_api::{OwnerBody, PartialAnswer, SealedAnswer, SignBody};
use quorumkeep_server::tls::{self, Pin};
use rand_core::{OsRng, RngCore};
use serde::de::DeserializeOwned;

use crate::net::{Network, Plan};
use crate::report::{Failure, Report, Samples};

/// What `bench sign` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// The program to measure.
    #[arg(long, default_value = "../target/release/quorumkeep")]
    binary: PathBuf,
    /// Seconds of each measurement in each round.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Requests under way at a time.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// The processor of the node and of the floor; this process should run on another one.
    #[arg(long, default_value_t = 0)]
    processor: usize,
}

/// Floor, `public` and `owner` in turn.
pub fn run(arguments: &Arguments, rounds: usize) -> Result<Report, Failure> {
    let plan = Plan {
        binary: arguments.binary.canonicalize()?,
        operators: 2,
        threshold: Some(2),
        block_ms: 100,
        window: 8,
        interval: 40,
        first_node_on: Some(arguments.processor),
    };
    let mut network = Network::start(&plan)?;
    network.wait_ready(Duration::from_secs(60))?;
    for (policy, app) in [("public", "open"), ("owner", "closed")] {
        let key = format!("{app}.key");
        network.tool(&["app", "owner-key", "--out", &key])?;
        let args = ["app", "register", "--network", "net/network.json", "--id", app, "--policy", policy];
        network.tool(&[&args[..], &["--owner-key", &key]].concat())?;
    }
    network.leave_first_alone();
    tls::install_provider();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let load = Arc::new(Load::new(&network)?);
    let mut samples: [Samples; 3] = Default::default();
    for _ in 0..rounds {
        let [floor, public, owner] = &mut samples;
        floor.push(floor_rate(arguments)?);
        public.push(runtime.block_on(load.rate(arguments, Ask::Public))?);
        owner.push(runtime.block_on(load.rate(arguments, Ask::Owner))?);
    }
    let [floor, public, owner] = &samples;
    let mut report = Report::new("sign");
    report.figure("in_flight", arguments.in_flight as f64);
    report.samples("floor_per_s", floor);
    report.samples("public_per_s", public);
    report.samples("owner_per_s", owner);
    report.figure("public_ratio", public.median() / floor.median());
    report.figure("owner_ratio", owner.median() / floor.median());
    Ok(report)
}

/// The floor in a process of its own, on the node's processor.
fn floor_rate(arguments: &Arguments) -> Result<f64, Failure> {
    let output = Command::new("taskset")
        .args(["-c", &arguments.processor.to_string()])
        .arg(std::env::current_exe()?)
        .args(["sign-floor", &arguments.seconds.to_string()])
        .output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// Hash to G1, one multiplication in G1, one BN254 signature; how many a second.
pub fn floor(seconds: u64) -> Result<f64, Failure> {
    let (share, operator) = (SecretScalar::random(&mut OsRng), bn254::SecretKey::random(&mut OsRng));
    let identity = AppIdentity { network: [1; 32], key_id: [2; 32], app_id: AppId::parse("open")?, epoch: 0 };
    let (begin, mut count) = (Instant::now(), 0u32);
    while begin.elapsed() < Duration::from_secs(seconds) {
        let partial = sign_partial(&share, &identity.q(Format::Age)).expose();
        let names = (&NetworkId([1; 32]), &KeyId([2; 32]), &Default::default());
        let hash = partial_hash(names.0, names.1, names.2, (&identity, Format::Age), &partial);
        std::hint::black_box(operator.sign(&hash));
        count += 1;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}

#[derive(Clone, Copy)]
enum Ask {
    Public,
    Owner,
}

/// Everything that a request is made of.
struct Load {
    clients: Vec<Client>,
    network: NetworkId,
    node: Address,
    key: KeyId,
    owner: SigningKey,
}

impl Load {
    fn new(network: &Network) -> Result<Self, Failure> {
        let file = NetworkFile::load(&network.home().join("net/network.json"))?;
        let member = file.first_config.roster.first().ok_or("an empty roster")?;
        let pin = || Pin::Operator { network: file.network, address: member.address, key: member.key.clone() };
        let socket = network.socket(0)?;
        let clients = (0..4).map(|_| Client::new(pin(), socket, Settings::default())).collect::<Result<_, _>>()?;
        let seed = std::fs::read_to_string(network.home().join("closed.key"))?;
        let seed: [u8; 32] = hex::decode(seed.trim())?.try_into().map_err(|_| "not an owner's key")?;
        let key = file.keys.get("main").ok_or("no key main")?.id;
        let (network, node, owner) = (file.network, member.address, SigningKey::from_bytes(&seed));
        Ok(Self { clients, network, node, key, owner })
    }

    fn body(&self, ask: Ask) -> SignBody {
        match ask {
            Ask::Public => SignBody { key: self.key, app: "open".into(), version: None, owner: None },
            Ask::Owner => self.owner_body(),
        }
    }

    fn owner_body(&self) -> SignBody {
        let recipient = age::x25519::Identity::generate().to_public().to_string();
        let mut nonce = [0; 32];
        OsRng.fill_bytes(&mut nonce);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let expires_ms = u64::try_from(now.as_millis()).unwrap_or(0) + 60_000;
        let request = SignRequest { key: self.key, app: "closed".into(), version: None, owner: None };
        let hash = owner_hash(&self.network, &self.node, &request, 0, (&recipient, &nonce, expires_ms));
        let signature = hex::encode(self.owner.sign(&hash).to_bytes());
        let owner = Some(OwnerBody { recipient, nonce: Digest(nonce), expires_ms, signature });
        SignBody { key: self.key, app: "closed".into(), version: None, owner }
    }

    /// Answers per second with so many requests under way. Every answer must be a good one.
    async fn rate(self: &Arc<Self>, arguments: &Arguments, ask: Ask) -> Result<f64, Failure> {
        let answered = Arc::new(AtomicU64::new(0));
        let (begin, until) = (Instant::now(), Instant::now() + Duration::from_secs(arguments.seconds));
        let mut tasks = Vec::new();
        for number in 0..arguments.in_flight {
            let (load, answered) = (self.clone(), answered.clone());
            tasks.push(tokio::spawn(async move {
                let client = load.clients.get(number % load.clients.len()).ok_or("no client")?;
                while Instant::now() < until {
                    match ask {
                        Ask::Public => load.ask::<PartialAnswer>(client, ask).await?,
                        Ask::Owner => load.ask::<SealedAnswer>(client, ask).await?,
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), Failure>(())
            }));
        }
        for task in tasks {
            task.await??;
        }
        Ok(answered.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64())
    }

    async fn ask<T: DeserializeOwned>(&self, client: &Client, ask: Ask) -> Result<(), Failure> {
        client.post_json::<_, T>("/app/sign", &self.body(ask)).await?;
        Ok(())
    }
}
