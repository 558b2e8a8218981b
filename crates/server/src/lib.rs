//! The shell: HTTP and TLS, orderer, peer delivery, node loop, clients.
