//! The witness on a socket: routes, headers, limits, keep-alive, ending.
//!
//! Cites 50-policy-proof-witness.md (W) and 55-witness.md (D). Not here: what is answered and why (`answers`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::{Fate, Log, World};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vitrine_spec::add_checkpoint::AddCheckpoint;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::limits::ADD_CHECKPOINT_BYTES_MAX;
use vitrine_spec::tree::TreeSize;
use vitrine_witness::limits::{CONNECTIONS_MAX, HEADERS_MAX, IN_FLIGHT_MAX};
use vitrine_witness::overview::Status;
use vitrine_witness::quota::Rate;
use vitrine_witness::round::{Finding, Found};
use vitrine_witness::{Fatal, Witness, http};

/// A witness that listens until it is told to end.
struct Server {
    runtime: Runtime,
    address: SocketAddr,
    witness: Arc<Witness>,
    end: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<Result<(), Arc<Fatal>>>>,
}

impl Server {
    fn start(world: &World) -> Server {
        Server::start_with(world, None)
    }

    fn start_with(world: &World, rate: Option<Rate>) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let witness = Arc::new(world.open().unwrap());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel();
        let serving = http::serve(listener, Arc::clone(&witness), rate, async move {
            let _ = ended.await;
        });
        let serving = Some(runtime.spawn(serving));
        Server { runtime, address, witness, end: Some(end), serving }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Client(BufReader::new(stream))
    }

    fn end(&mut self) {
        self.end.take().unwrap().send(()).unwrap();
    }

    fn result(&mut self) -> Result<(), Arc<Fatal>> {
        let serving = self.serving.take().unwrap();
        self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), serving).await }).unwrap().unwrap()
    }
}

struct Client(BufReader<TcpStream>);

#[derive(Debug)]
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    fn receive(&mut self) -> Reply {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut reply = Reply { status, headers, body: String::new() };
        let length: usize = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        reply.body = String::from_utf8(body).unwrap();
        reply
    }

    fn post(&mut self, body: &[u8]) -> Reply {
        self.send(
            format!("POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(),
        );
        self.send(body);
        self.receive()
    }

    fn get(&mut self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: w\r\n\r\n").as_bytes());
        self.receive()
    }

    /// True when the other side closed the connection.
    fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0]).unwrap() == 0
    }
}

#[test]
fn one_connection_for_many_requests() {
    // [W-8] [W-9] [W-10] [D-20]
    let log = Log::ed("log.example/one");
    let server = Server::start(&World::new(&[&log]));
    let mut client = server.connect();
    let shown = format!("/{}/checkpoint", log.hash().hex());
    assert_eq!(client.get(&shown).status, 404);
    let reply = client.post(&log.request(0, 5));
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert_eq!(reply.body.lines().filter(|line| line.starts_with("— witness.example/w1 ")).count(), 2);
    let checkpoint = client.get(&shown);
    assert_eq!((checkpoint.status, checkpoint.header("cache-control")), (200, Some("no-cache")));
    assert_eq!(checkpoint.body, log.checkpoint(5).print() + &reply.body);
    let stale = client.post(&log.request(3, 6));
    assert_eq!((stale.status, stale.header("content-type")), (409, Some("text/x.tlog.size")));
    assert_eq!(stale.body, "5\n");
    let proof = log.fork(0).proof(6, 9);
    let elsewhere = AddCheckpoint { old: TreeSize::new(6), proof, checkpoint: log.checkpoint(9) }.print();
    for (body, status) in [(log.request(5, 6), 200), (b"old 0\n".to_vec(), 400), (elsewhere, 422)] {
        let reply = client.post(&body);
        assert_eq!(reply.status, status);
        assert!(reply.body.ends_with('\n'));
    }
    assert_eq!(client.get(&shown.to_uppercase()).status, 404);
    assert_eq!(client.get("/healthz").body, "ok\n");
    assert_eq!(client.get("/nothing").status, 404);
    assert_eq!(client.get("/add-checkpoint").status, 405);
    client.send(b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ntransfer-encoding: chunked\r\n\r\n");
    let body = log.request(6, 7);
    client.send(format!("{:x}\r\n", body.len()).as_bytes());
    client.send(&[body.as_slice(), b"\r\n0\r\n\r\n"].concat());
    assert_eq!(client.receive().status, 200);
}

#[test]
fn bodies_above_the_limit() {
    // [D-20]
    let log = Log::ed("log.example/one");
    let server = Server::start(&World::new(&[&log]));
    let head = |length: usize| format!("POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: {length}\r\n\r\n");
    // Announced: refused before a byte of it is read.
    let mut client = server.connect();
    client.send(head(ADD_CHECKPOINT_BYTES_MAX + 1).as_bytes());
    let reply = client.receive();
    assert_eq!(reply.status, 413);
    assert_eq!(reply.body, format!("the body is above {ADD_CHECKPOINT_BYTES_MAX} bytes\n"));
    // Not announced: refused when it passes the limit.
    let mut client = server.connect();
    client.send(b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = [format!("{:x}\r\n", 16 * 1024).as_bytes(), &[b'x'; 16 * 1024], b"\r\n"].concat();
    for _ in 0..=ADD_CHECKPOINT_BYTES_MAX / (16 * 1024) {
        client.send(&chunk);
    }
    assert_eq!(client.receive().status, 413);
    // At the limit it is read, and is no request.
    let reply = server.connect().post(&vec![b'x'; ADD_CHECKPOINT_BYTES_MAX]);
    assert_eq!(reply.status, 400, "{}", reply.body);
}

#[test]
fn headers_above_the_limit() {
    // [D-20]
    let server = Server::start(&World::new(&[]));
    let mut client = server.connect();
    let many: String = (0..=HEADERS_MAX).map(|number| format!("x-{number}: y\r\n")).collect();
    client.send(format!("GET /healthz HTTP/1.1\r\n{many}\r\n").as_bytes());
    assert_eq!(client.receive().status, 431);
    let mut client = server.connect();
    client.send(format!("GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(17 * 1024)).as_bytes());
    assert_eq!(client.receive().status, 431);
    assert_eq!(server.connect().get("/healthz").status, 200);
}

#[test]
fn requests_above_the_limit_are_told_so_before_their_body_is_read() {
    // [D-20]
    let log = Log::ed("log.example/one");
    let server = Server::start(&World::new(&[&log]));
    // Requests whose bodies do not come: each takes one place for as long as it waits.
    let mut waiting: Vec<Client> = Vec::new();
    for _ in 0..IN_FLIGHT_MAX {
        let mut client = server.connect();
        client.send(b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
        // The server asks for the body only when it reads it, that is from within its place.
        let reply = client.receive();
        assert_eq!(reply.status, 100);
        waiting.push(client);
    }
    let reply = server.connect().post(&log.request(0, 5));
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("1")));
    let mut first = waiting.swap_remove(0);
    first.send(b"old 0");
    assert_eq!(first.receive().status, 400);
    assert_eq!(server.connect().post(&log.request(0, 5)).status, 200);
    // The others are not waited for without end.
    assert_eq!(waiting.pop().unwrap().receive().status, 408);
}

#[test]
fn connections_above_the_limit_are_told_so() {
    // [D-20]
    // Both ends are in this process.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();
    let server = Server::start(&World::new(&[]));
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut client = server.connect();
        assert_eq!(client.get("/healthz").status, 200);
        open.push(client);
    }
    let mut client = server.connect();
    let reply = client.receive();
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("1")));
    assert_eq!(reply.body, "this witness has all the connections it may\n");
    assert!(client.is_closed());
    // The ones that are open go on.
    assert_eq!(open.first_mut().unwrap().get("/healthz").status, 200);
}

#[test]
fn ending_finishes_what_is_under_way() {
    // [D-19]
    let log = Log::ed("log.example/one");
    let world = World::new(&[&log]);
    let mut server = Server::start(&world);
    let (mut idle, mut busy) = (server.connect(), server.connect());
    assert_eq!(idle.get("/healthz").status, 200);
    let body = log.request(0, 5);
    busy.send(
        format!(
            "POST /add-checkpoint HTTP/1.1\r\nhost: w\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .as_bytes(),
    );
    assert_eq!(busy.receive().status, 100);
    server.end();
    assert!(idle.is_closed());
    busy.send(&body);
    assert_eq!(busy.receive().status, 200);
    assert!(server.result().is_ok());
    assert!(TcpStream::connect(server.address).is_err());
    assert_eq!(server.witness.add_checkpoint(&log.request(5, 6)).status, 503);
    drop(server);
    assert_eq!(common::known_size(&world.after_power_loss(0).open().unwrap(), &log), 5);
}

#[test]
fn a_failed_sync_ends_the_server() {
    // [D-3]
    let log = Log::ed("log.example/one");
    let world = World::new(&[&log]);
    let mut server = Server::start(&world);
    world.disk.plan(1, Fate::Lost);
    let mut client = server.connect();
    client.send(b"GET /healthz HTTP/1.1\r\nhost: w\r\n\r\n");
    assert_eq!(client.receive().status, 200);
    let body = log.request(0, 5);
    client
        .send(format!("POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
    client.send(&body);
    let fatal = server.result().unwrap_err().to_string();
    assert!(fatal.contains("sync journal"), "{fatal}");
    // Whatever the client was told, it was no signature.
    let mut told = String::new();
    let _ = client.0.read_to_string(&mut told);
    assert!(!told.contains("200 OK") && !told.contains('—'), "{told}");
}

#[test]
fn many_requests_at_one_time_on_one_http_2_connection() {
    // [D-20] [W-8]
    let logs: Vec<Log> = (0..16).map(|number| Log::ed(&format!("log.example/{number}"))).collect();
    let server = Server::start(&World::new(&logs.iter().collect::<Vec<_>>()));
    let url = format!("http://{}", server.address);
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let answers = server.runtime.block_on(async {
        let mut asked = tokio::task::JoinSet::new();
        for log in logs.clone() {
            let (client, url) = (client.clone(), url.clone());
            asked.spawn(async move {
                let answer = client.post(format!("{url}/add-checkpoint")).body(log.request(0, 5)).send().await.unwrap();
                assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 200));
                let shown = client.get(format!("{url}/{}/checkpoint", log.hash().hex())).send().await.unwrap();
                let body = answer.text().await.unwrap();
                assert_eq!(shown.text().await.unwrap(), log.checkpoint(5).print() + &body);
            });
        }
        asked.join_all().await.len()
    });
    assert_eq!(answers, logs.len());
}

#[test]
fn a_person_and_a_program_see_how_each_log_stands() {
    // [D-29] [D-24]
    let mut logs: Vec<Log> =
        ["frozen", "open", "new", "late"].map(|name| Log::ed(&format!("log.example/{name}"))).into();
    logs.push(Log::ed("log.example/<b>"));
    let server = Server::start(&World::new(&logs.iter().collect::<Vec<_>>()));
    let mut client = server.connect();
    for log in [&logs[0], &logs[1], &logs[3]] {
        assert_eq!(client.post(&log.request(0, 5)).status, 200);
    }
    assert_eq!(client.post(&logs[0].fork(3).request(5, 9)).status, 422);
    server.witness.tell(Found {
        origin: Origin::new(&logs[3].origin).unwrap(),
        logs: server.witness.logs(),
        finding: Finding::Doubt(logs[3].fork(3).checkpoint(9)),
    });
    server.witness.set_peers(vec!["http://peer.example/w2".to_owned()]);

    let page = client.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    for words in [
        "Witness witness.example/w1",
        "It signs.",
        "log.example/&lt;b&gt;",
        "showed two trees: frozen",
        "another note since 2027-01-15 08:00:00 UTC",
        "nothing co-signed yet",
        "http://peer.example/w2",
        &server.witness.keys().vkeys()[0].to_string(),
        &logs[1].root(5).to_string(),
    ] {
        assert!(page.body.contains(words), "{words} is not on {}", page.body);
    }
    assert!(!page.body.contains("<b>\n") && !page.body.contains("log.example/<b>") && !page.body.contains("<script"));
    assert!(page.body.find("log.example/frozen").unwrap() < page.body.find("log.example/open").unwrap());
    assert_eq!(client.get("/style.css").header("content-type"), Some("text/css; charset=utf-8"));

    let status: Status = serde_json::from_str(&client.get("/status").body).unwrap();
    assert_eq!((status.logs, status.cosigned, status.frozen_logs, status.unreconciled_logs), (5, 3, 1, 0));
    assert_eq!((status.frozen, status.not_signing, status.peers), (vec![logs[0].origin.clone()], None, 1));
    let listed = client.get("/logs").body;
    assert_eq!(listed.lines().count(), 5);
    assert!(vitrine_witness::logs::Logs::parse(listed.as_bytes()).is_ok(), "{listed}");
    assert_eq!(client.get("/evidence").body, format!("{}\n", logs[0].hash().hex()));
    let metrics = client.get("/metrics").body;
    for line in [
        "vitrine_witness_answers_total{route=\"/add-checkpoint\",status=\"200\"} 3",
        "vitrine_witness_answers_total{route=\"/add-checkpoint\",status=\"422\"} 1",
        "vitrine_witness_cosigned_total 3",
        "vitrine_witness_frozen 1",
        "vitrine_witness_logs 5",
        "vitrine_witness_ready 1",
        "vitrine_witness_connections 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in {metrics}");
    }
    // The rules that are handed out speak of what is counted.
    let rules = include_str!("../../packaging/witness/alerts.yml");
    let word = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let mut named: Vec<&str> = rules.split(word).filter(|word| word.starts_with("vitrine_witness_")).collect();
    named.sort_unstable();
    named.dedup();
    assert_eq!(named.len(), 5, "{named:?}");
    for name in named {
        assert!(metrics.lines().any(|line| line.starts_with(&format!("{name} "))), "{name} is not counted");
    }
}

#[test]
fn a_log_and_an_address_may_ask_so_often() {
    // [D-50]
    let (log, other) = (Log::ed("log.example/one"), Log::ed("log.example/two"));
    let mut world = World::new(&[&log, &other]);
    world.rate = Some(Rate { per_s: 0.001, burst: 2.0 });
    let server = Server::start(&world);
    let mut client = server.connect();
    // What the log has not signed takes nothing from it.
    let forged = String::from_utf8(log.request(0, 5)).unwrap().replace("log.example/one\n5\n", "log.example/one\n6\n");
    (0..5).for_each(|_| assert_eq!(client.post(forged.as_bytes()).status, 403));
    assert_eq!(client.post(&log.request(0, 5)).status, 200);
    assert_eq!(client.post(&log.request(0, 5)).status, 409);
    let often = client.post(&log.request(5, 6));
    assert_eq!(often.status, 429);
    assert!(often.header("retry-after").unwrap().parse::<u32>().unwrap() > 900, "{often:?}");
    assert_eq!(client.post(&other.request(0, 5)).status, 200);

    let mut limited = Server::start_with(&World::new(&[&log]), Some(Rate { per_s: 0.001, burst: 2.0 }));
    let mut client = limited.connect();
    assert_eq!(client.post(b"old 0\n").status, 400);
    assert_eq!(client.post(b"old 0\n").status, 400);
    assert_eq!(limited.connect().post(&log.request(0, 5)).status, 429, "another connection from the same address");
    assert_eq!(client.get("/healthz").status, 200, "reads are not counted");
    limited.end();
    assert!(limited.result().is_ok());
}
