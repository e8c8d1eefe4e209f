//! Kubernetes objects and `AdmissionReview`s, with as few fields as a test is about.

use serde_json::{Value, json};

/// A review as the API server would send it.
#[derive(Clone, Debug)]
pub struct Review(pub Value);

/// A pod of these `(name, image)` containers in the namespace `shop`.
pub fn pod(containers: &[(&str, &str)]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-0", "namespace": "shop"},
        "spec": {"containers": self::containers(containers)},
    })
}

/// A list of `(name, image)` containers.
pub fn containers(containers: &[(&str, &str)]) -> Value {
    containers.iter().map(|(name, image)| json!({"name": name, "image": image})).collect()
}

/// A Deployment of these `(name, image)` containers in the namespace `shop`.
pub fn deployment(containers: &[(&str, &str)]) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": self::containers(containers)}}},
    })
}

impl Review {
    /// A user creates the object in its own namespace.
    pub fn create(object: &Value) -> Self {
        Self::of("CREATE", object, &Value::Null)
    }

    /// A user changes the object.
    pub fn update(old: &Value, object: &Value) -> Self {
        Self::of("UPDATE", object, old)
    }

    /// A user removes the object.
    pub fn delete(old: &Value) -> Self {
        Self::of("DELETE", &Value::Null, old)
    }

    fn of(operation: &str, object: &Value, old: &Value) -> Self {
        let subject = if object.is_null() { old } else { object };
        let api_version = subject["apiVersion"].as_str().unwrap_or("v1");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = subject["kind"].as_str().unwrap_or("Pod");
        let resource = format!("{}s", kind.to_lowercase());
        Self(json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
                "kind": {"group": group, "version": version, "kind": kind},
                "resource": {"group": group, "version": version, "resource": resource},
                "name": subject["metadata"]["name"],
                "namespace": "shop",
                "operation": operation,
                "userInfo": {"username": "ada", "groups": ["developers", "system:authenticated"]},
                "object": object,
                "oldObject": old,
                "dryRun": false,
                "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
            },
        }))
    }

    /// The same review with a field of the request replaced.
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0["request"][field] = value.into();
        self
    }

    /// The same review with another object.
    pub fn object(self, object: Value) -> Self {
        self.with("object", object)
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).unwrap()
    }
}
