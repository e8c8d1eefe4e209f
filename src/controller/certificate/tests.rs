use std::sync::{Arc, Mutex};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;
use crate::cluster::certificates::Reason;
use crate::cluster::scripted::{Asked, client, refusal};

/// An API server that has the Secret or not, and what it was asked.
#[derive(Default)]
struct Server {
    secret: Option<Value>,
    refuses_create: bool,
    asked: Vec<String>,
}

impl Server {
    fn answer(&mut self, asked: &Asked) -> (StatusCode, Value) {
        let kind = if asked.method == Method::GET { "get" } else { asked.patch };
        self.asked.push(kind.to_owned());
        if self.secret.is_none() {
            match kind {
                "apply" if self.refuses_create => {
                    return refusal(StatusCode::FORBIDDEN, "cannot create resource secrets");
                }
                "apply" => self.secret = Some(json!({"metadata": {"resourceVersion": "1"}})),
                _ => return refusal(StatusCode::NOT_FOUND, "secrets \"gate-tls\" not found"),
            }
        }
        let secret = self.secret.as_mut().unwrap();
        json_patch::merge(secret, &asked.body);
        (StatusCode::OK, secret.clone())
    }
}

fn api(server: &Arc<Mutex<Server>>) -> Api<Secret> {
    let server = server.clone();
    Api::namespaced(client(move |asked| std::future::ready(server.lock().unwrap().answer(&asked))), "gate")
}

fn asked(server: &Mutex<Server>) -> Vec<String> {
    std::mem::take(&mut server.lock().unwrap().asked)
}

#[tokio::test]
async fn cfg_19_a_secret_that_was_deleted_is_created_again_and_filled() {
    let server = Arc::new(Mutex::new(Server::default()));
    let (api, names) = (api(&server), service_names("gate", "gate"));
    assert_eq!(step(&api, "gate-tls", &names, None).await, Ok(Action::Create(Reason::Empty)));
    assert_eq!(asked(&server), ["get", "apply", "get", "merge"]);
    let (stored, _) = load(&api, "gate-tls").await.unwrap();
    assert!(stored.serving().is_ok());
    asked(&server);
    assert_eq!(step(&api, "gate-tls", &names, None).await, Ok(Action::Keep));
    assert_eq!(asked(&server), ["get"], "one that is there is only read");
}

#[tokio::test]
async fn cfg_19_without_the_right_to_create_the_words_say_so() {
    let server = Arc::new(Mutex::new(Server { refuses_create: true, ..Server::default() }));
    let problem = step(&api(&server), "gate-tls", &service_names("gate", "gate"), None).await.unwrap_err();
    assert!(problem.contains("may not be created, until `helm upgrade` gives the right to"), "{problem}");
    assert_eq!(asked(&server), ["get", "apply"]);
}

#[tokio::test]
async fn flt_48_where_the_secret_is_lost_what_is_in_use_is_kept_beside_a_new_authority() {
    let server = Arc::new(Mutex::new(Server::default()));
    let (api, names) = (api(&server), service_names("gate", "gate"));
    let in_use = Material::create(&names, Timestamp::now()).unwrap();
    assert_eq!(step(&api, "gate-tls", &names, Some(&in_use)).await, Ok(Action::Create(Reason::Empty)));
    let (stored, _) = load(&api, "gate-tls").await.unwrap();
    assert_eq!((&stored.certificate, &stored.key), (&in_use.certificate, &in_use.key));
    assert!(stored.ca_certificates.starts_with(&in_use.ca_certificates));
    assert_eq!(stored.ca_certificates.matches("BEGIN CERTIFICATE").count(), 2);
    assert_ne!(stored.ca_key, in_use.ca_key);
    assert_eq!(step(&api, "gate-tls", &names, Some(&in_use)).await, Ok(Action::Keep), "that is all");
}
