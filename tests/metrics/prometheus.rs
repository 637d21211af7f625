//! A real Prometheus scrapes real denials: each query of the dashboard finds something, and the alert
//! rules run.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::common::command::devgate;
use super::common::opener::serve_if_child;
use super::common::require::{self, require};
use super::denials::Scene;
use super::rules::FOLDER;
use super::{CONFIG, Server, body, send};

const PROMETHEUS: &str = "/usr/bin/prometheus";
const DASHBOARD: &str = include_str!("../../packaging/prometheus/devgate-dashboard.json");

/// What Grafana puts in place of its variables.
const VARIABLES: [(&str, &str); 3] =
    [("$__rate_interval", "1m"), ("$__range", "5m"), ("$instance", ".*")];

/// It is ended when this is dropped.
struct Prometheus {
    process: Child,
    address: SocketAddr,
    dir: tempfile::TempDir,
}

impl Prometheus {
    fn scraping(target: SocketAddr) -> Prometheus {
        let dir = tempfile::tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("it has an address");
        drop(free);
        let config = dir.path().join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: [ '{FOLDER}/devgate.rules.yml' ]\n\
             scrape_configs:\n\
             - job_name: devgate\n  static_configs: [ {{ targets: [ '{target}' ] }} ]\n"
        );
        fs::write(&config, text).expect("it can be written");
        let log = fs::File::create(dir.path().join("log")).expect("a file can be made");
        let process = Command::new(PROMETHEUS)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Prometheus can be started");
        Prometheus { process, address, dir }
    }

    /// What the API answers, once it does.
    fn api(&self, path: &str) -> Option<Value> {
        let stream = TcpStream::connect(self.address).ok()?;
        let request = format!("GET /api/v1/{path} HTTP/1.0\r\nHost: x\r\n\r\n");
        let answer = send(stream, request.as_bytes());
        let json = answer.split_once("\r\n\r\n")?.1;
        let found: Value = serde_json::from_str(json).ok()?;
        assert_eq!(found["status"], "success", "{path}: {found}");
        Some(found["data"].clone())
    }

    /// The samples that a query finds.
    fn query(&self, query: &str) -> Vec<Value> {
        let found = self.api(&format!("query?query={}", encoded(query)));
        found.and_then(|data| data["result"].as_array().cloned()).unwrap_or_default()
    }

    /// Waits until the query finds something.
    #[track_caller]
    fn wait_for(&self, query: &str) -> Vec<Value> {
        let give_up = Instant::now() + Duration::from_secs(90);
        loop {
            let found = self.query(query);
            if !found.is_empty() {
                return found;
            }
            let log = || fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < give_up, "{query} finds nothing; Prometheus says:\n{}", log());
            sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The dashboard's queries, each with its panel's title, as Grafana would ask them.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("it is JSON");
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            let mut query = target["expr"].as_str().expect("a query").to_owned();
            VARIABLES.iter().for_each(|(name, value)| query = query.replace(name, value));
            assert!(!query.contains('$'), "{query} has a variable that is not known");
            queries.push((panel["title"].as_str().expect("a title").to_owned(), query));
        }
    }
    queries
}

#[test]
fn each_query_of_the_dashboard_finds_something_and_the_rules_run() {
    serve_if_child();
    let there = Path::new(PROMETHEUS).exists();
    if !(require(there, "there is no prometheus (tests/testbed/provision.sh)") && require::bpf()) {
        return;
    }
    let test = "prometheus::each_query_of_the_dashboard_finds_something_and_the_rules_run";
    let mut scene = Scene::new(test);
    scene.denied("c 1:11 r", 1);
    let server = Server::start(&[]);
    let prometheus = Prometheus::scraping(server.address);
    prometheus.wait_for("devgate_denied_requests_total == 1");
    // From here on, what happens is an increase.
    scene.denied("c 1:11 r", 2);
    scene.denied("c 10:229 rw", 4);
    let pid = scene.workload.pid();
    let state = format!(r#"{{"id":"c1","status":"creating","pid":{pid},"bundle":"/x"}}"#);
    devgate(&["hook"], state + CONFIG).success();
    assert_ne!(devgate(&["hook"], "{").code, Some(0));
    prometheus.wait_for("devgate_denied_requests_total == 7");
    prometheus.wait_for("increase(devgate_hook_failures_total{reason=\"input\"}[1m]) > 0");
    let queries = queries();
    assert!(queries.len() >= 25, "{}", queries.len());
    for (panel, query) in &queries {
        let found = prometheus.query(query);
        assert!(!found.is_empty(), "{panel}: {query} finds nothing");
    }
    let top = format!("devgate_denials_total{{container=\"{}\",device=\"c 10:229\"}}", scene.id);
    assert_eq!(prometheus.query(&top)[0]["value"][1], "4");
    let instances = prometheus.api("label/instance/values?match[]=devgate_build_info");
    assert_eq!(instances, Some(serde_json::json!([server.address.to_string()])));
    rules_run(&prometheus);
    assert!(!body(&server.get("/metrics")).is_empty());
}

/// Each rule was evaluated without an error, and the denials are an alert.
fn rules_run(prometheus: &Prometheus) {
    prometheus.wait_for("ALERTS{alertname=\"DevgateDenials\",alertstate=\"firing\"}");
    prometheus.wait_for("ALERTS{alertname=\"DevgateHookFails\",alertstate=\"firing\"}");
    let found = prometheus.api("rules").expect("it answers");
    let rules = found["groups"][0]["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), 15);
    for rule in rules {
        assert_eq!((&rule["health"], &rule["lastError"]), (&"ok".into(), &Value::Null), "{rule}");
    }
}
