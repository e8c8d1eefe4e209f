//! Creating one object of a given name, and no other.
//!
//! A right to create can't be limited to a name, says the documentation of RBAC, because the API server does not know the name when
//! it asks for the right. With a server-side apply it does: the name is in the path. So the chart's Role has `create` with
//! `resourceNames`, which allows this way and refuses a plain create (`docs/adr/0014-what-sealgate-may-create.md`).

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::FIELD_MANAGER;

/// Creates the object without content, as the chart does. One that has appeared meanwhile stays as it is, so that it does not
/// matter how many replicas try.
pub async fn create_empty<K>(api: &Api<K>, name: &str) -> kube::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let object = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": { "name": name },
    });
    api.patch(name, &PatchParams::apply(FIELD_MANAGER), &Patch::Apply(object)).await.map(|_| ())
}
