//! The memory of lists: what a manifest or an index lists is kept as long as it is looked at, which may be until the deadline.

use crate::domain::Unavailable;
use crate::verifier::ports::Held;

use super::manifest::Descriptor;
use super::settings::{Quota, SMALL_LIST_BYTES};
use super::shares::Shares;

/// What one annotation takes beside its texts: its slot in a node that may be half full, and two allocations.
const ANNOTATION: usize = 160;

const NO_MEMORY: &str = "too many long lists of signatures are looked at; try again";

/// The memory for lists, of which each host has its part. Nobody waits for it: whoever waited would hold a list meanwhile.
#[derive(Debug)]
pub(super) struct Lists(Shares);

impl Lists {
    pub(super) fn new(quota: Quota) -> Self {
        Self(Shares::new(quota))
    }

    /// Takes the memory of a list that this host has sent, until what is returned is dropped.
    pub(super) fn keep<'a>(&self, host: &str, list: impl Iterator<Item = &'a Descriptor>) -> Result<Held, Unavailable> {
        let bytes = list.fold(0, |bytes: usize, descriptor| bytes.saturating_add(memory(descriptor)));
        if bytes <= SMALL_LIST_BYTES {
            return Ok(Held::default());
        }
        let kibibytes = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        self.0.try_take(host, kibibytes).map(Held::new).ok_or(Unavailable::Overloaded(NO_MEMORY))
    }
}

fn memory(descriptor: &Descriptor) -> usize {
    let Descriptor { media_type, annotations, .. } = descriptor;
    let own = size_of::<Descriptor>().saturating_add(media_type.len()).saturating_add(descriptor.digest_length());
    annotations.iter().fold(own, |bytes, (name, value)| {
        bytes.saturating_add(name.len()).saturating_add(value.len()).saturating_add(ANNOTATION)
    })
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Manifest;
    use super::super::settings::LISTS;
    use super::*;

    /// A list with one descriptor that has annotations of so many KiB.
    fn list(kibibytes: usize) -> Vec<Descriptor> {
        let digest = format!("sha256:{}", "0".repeat(64));
        let annotation = "x".repeat(kibibytes << 10);
        let descriptor = serde_json::json!({"digest": digest, "size": 3, "annotations": {"a": annotation}});
        let document = serde_json::json!({"schemaVersion": 2, "layers": [descriptor]}).to_string();
        let read = Manifest::parse(Some("application/vnd.oci.image.manifest.v1+json"), document.as_bytes());
        let Ok(Manifest::Image { layers, .. }) = read else { panic!("{read:?}") };
        layers
    }

    #[test]
    fn net_19_long_lists_of_one_host_leave_memory_for_others_and_short_ones_need_none() {
        let lists = Lists::new(LISTS);
        let long = list(900);
        let mut held: Vec<_> = (0..4).map(|_| lists.keep("evil.example", long.iter()).unwrap()).collect();
        let refused = lists.keep("evil.example", long.iter()).unwrap_err();
        assert_eq!(refused.code(), "OVERLOADED");
        held.push(lists.keep("good.example", long.iter()).expect("some is kept for others"));
        assert!(lists.keep("third.example", long.iter()).is_err(), "all of it is in use");
        for host in ["evil.example", "good.example", "third.example"] {
            assert!(lists.keep(host, list(1).iter()).is_ok(), "{host}: what is short is always kept");
        }
        drop(held);
        assert!(lists.keep("evil.example", long.iter()).is_ok(), "it is given back");
    }
}
