//! The program itself, as a child process over a folder of policies: asked over TLS, as the API server asks, and measured
//! through `/proc`.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ConfigBuilder, RootCertStore, StreamOwned};
use serde_json::{Value, json};

/// Clock ticks a second in `/proc`, on every Linux that Rust supports.
const TICKS: f64 = 100.0;
/// How long the program may take to become ready.
const START: Duration = Duration::from_secs(30);

/// A connection to the webhook port.
pub type Client = StreamOwned<ClientConnection, TcpStream>;

/// How the program is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub binary: PathBuf,
    /// For its files; emptied first.
    pub folder: PathBuf,
    /// The policies and trusted roots.
    pub policies: Vec<Value>,
    /// The settings.
    pub config: Value,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// The memory that it may have.
    pub memory: Option<MemoryLimit>,
    /// What is logged.
    pub log_level: &'static str,
    /// The log goes into a pipe instead of to standard error.
    pub log_pipe: bool,
}

impl Launch {
    /// Starts `binary` over these documents, with the files in `folder`.
    pub fn new(binary: impl Into<PathBuf>, folder: impl Into<PathBuf>, policies: Vec<Value>) -> Self {
        let (binary, folder) = (binary.into(), folder.into());
        let (config, arguments) = (json!({}), Vec::new());
        Self { binary, folder, policies, config, arguments, memory: None, log_level: "warn", log_pipe: false }
    }

    /// These registries are asked over plain http, at any address.
    #[must_use]
    pub fn registries(mut self, hosts: &[&str]) -> Self {
        let setting = |host: &&str| json!({"host": host, "plainHttp": true, "allowPrivateAddress": true});
        self.config["registries"] = hosts.iter().map(setting).collect();
        self
    }

    /// Further arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// Within this limit of memory.
    #[must_use]
    pub fn memory(mut self, limit: &MemoryLimit) -> Self {
        self.memory = Some(limit.clone());
        self
    }

    /// With every decision in the log, which goes into a pipe.
    #[must_use]
    pub fn log_pipe(mut self) -> Self {
        (self.log_level, self.log_pipe) = ("info", true);
        self
    }

    /// Starts it, and waits until it is ready.
    pub fn start(&self) -> Sealgate {
        let _ = fs::remove_dir_all(&self.folder);
        fs::create_dir_all(self.folder.join("policies")).unwrap();
        for (number, policy) in self.policies.iter().enumerate() {
            fs::write(self.folder.join(format!("policies/{number}.yaml")), policy.to_string()).unwrap();
        }
        fs::write(self.folder.join("config.yaml"), self.config.to_string()).unwrap();
        let (address, admin) = (free_address(), free_address());
        let mut command = match &self.memory {
            None => Command::new(&self.binary),
            Some(limit) => {
                // The shell enters the group, and becomes the program.
                let mut shell = Command::new("sh");
                shell.args(["-c", "echo $$ > \"$0\"/cgroup.procs && exec \"$@\""]).arg(&limit.folder).arg(&self.binary);
                shell
            }
        };
        let started = Instant::now();
        let child = command
            .args(["serve", "--log-level", self.log_level, "--linger", "0", "--policies"])
            .arg(self.folder.join("policies"))
            .arg("--config")
            .arg(self.folder.join("config.yaml"))
            .arg("--self-signed")
            .arg(&self.folder)
            .args(["--listen", &address.to_string(), "--admin-listen", &admin.to_string()])
            .args(&self.arguments)
            .stderr(if self.log_pipe { Stdio::piped() } else { Stdio::inherit() })
            .spawn()
            .unwrap();
        let ca = self.folder.join("ca.crt");
        let mut gate = Sealgate { child, address, admin, tls: None, ca, ready: Duration::ZERO };
        while !gate.is_ready() {
            assert!(gate.exit().is_none(), "sealgate ended at its start");
            assert!(started.elapsed() < START, "sealgate does not become ready");
            thread::sleep(Duration::from_millis(1));
        }
        gate.ready = started.elapsed();
        gate.tls = Some(Arc::new(trusting(&gate.ca).with_no_client_auth()));
        gate
    }
}

/// A running `sealgate serve`, which ends when this is dropped.
#[derive(Debug)]
pub struct Sealgate {
    child: Child,
    /// The webhook port.
    pub address: SocketAddr,
    /// The admin port.
    pub admin: SocketAddr,
    /// How long it took to become ready.
    pub ready: Duration,
    tls: Option<Arc<ClientConfig>>,
    ca: PathBuf,
}

impl Sealgate {
    /// A new connection to the webhook port.
    pub fn connect(&self) -> io::Result<Client> {
        let name = ServerName::try_from("localhost").unwrap();
        let socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        let tls = Arc::clone(self.tls.as_ref().expect("it is ready"));
        Ok(StreamOwned::new(ClientConnection::new(tls, name).unwrap(), socket))
    }

    /// Posts a review over a connection of its own, and waits for the answer as long as the API server would.
    pub fn ask(&self, path: &str, review: &[u8]) -> io::Result<Value> {
        let mut client = self.connect()?;
        client.sock.set_read_timeout(Some(Duration::from_secs(11)))?;
        client.write_all(&request(path, review))?;
        let (head, body) = response(&mut client)?;
        serde_json::from_slice(&body).map_err(|_| io::Error::other(head))
    }

    /// The status and the body that a path of the admin port answers.
    pub fn admin(&self, path: &str) -> io::Result<(u16, String)> {
        let mut socket = TcpStream::connect(self.admin)?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        Ok((status, body.to_owned()))
    }

    /// From now on this certificate is shown to the webhook port.
    pub fn show(&mut self, certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) {
        let config = trusting(&self.ca).with_client_auth_cert(vec![certificate], key);
        self.tls = Some(Arc::new(config.unwrap()));
    }

    /// The end of the pipe that its log goes into, to be read.
    pub fn log(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("started with a pipe, and not taken yet")
    }

    /// Tells it to stop, as the kubelet does, and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        self.child.wait().unwrap()
    }

    fn is_ready(&self) -> bool {
        self.admin("/readyz").is_ok_and(|(status, _)| status == 200)
    }

    /// How it ended, if it has.
    pub fn exit(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processor time that it has taken, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
    }

    /// The memory that it has now, in KiB.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most memory that it has had at once, in KiB.
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Sealgate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A group of processes that may have so much memory, as a container has it: the kernel kills what takes more.
#[derive(Clone, Debug)]
pub struct MemoryLimit {
    folder: PathBuf,
}

impl MemoryLimit {
    /// A group of this name. None where this machine lets nobody make one: it takes root and a memory controller, of version
    /// 1 or 2.
    pub fn new(name: &str, bytes: u64) -> Option<Self> {
        let (v1, v2) = (Path::new("/sys/fs/cgroup/memory"), Path::new("/sys/fs/cgroup"));
        let groups: [(&Path, &[(&str, u64)]); 2] = [
            // What may be swapped out counts too.
            (v1, &[("memory.limit_in_bytes", bytes), ("memory.memsw.limit_in_bytes", bytes)]),
            (v2, &[("memory.max", bytes), ("memory.swap.max", 0)]),
        ];
        groups.into_iter().find_map(|(parent, limits)| {
            let folder = parent.join(format!("sealgate-{name}-{}", std::process::id()));
            fs::create_dir(&folder).ok()?;
            let group = Self { folder };
            let mut written = limits.iter().map(|(file, bytes)| fs::write(group.folder.join(file), bytes.to_string()));
            // A machine without swap has no file for it.
            let is_limited = written.next()?.is_ok();
            written.for_each(drop);
            if is_limited { Some(group) } else { group.remove() }
        })
    }

    fn remove(&self) -> Option<Self> {
        let _ = fs::remove_dir(&self.folder);
        None
    }

    /// Removes the group, which must be empty.
    pub fn end(self) {
        self.remove();
    }
}

/// The bytes of a review on the wire.
pub fn request(path: &str, review: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path}?timeout=10s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        review.len()
    );
    [head.as_bytes(), review].concat()
}

/// The head, in lower case, and the body of an answer.
pub fn response(connection: &mut Client) -> io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = connection.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&buffer[..count]);
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else { continue };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let length: usize = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        if read.len() >= end + length {
            return Ok((head, read.split_off(end)));
        }
    }
}

fn trusting(ca: &Path) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    tls.with_root_certificates(roots)
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
