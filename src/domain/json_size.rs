//! How much memory a JSON text takes once it is read into a tree, told from its bytes alone.
//!
//! A tree takes many times the memory of its text, and how many times depends on what the text holds: `[{"a":0},...]` takes more
//! than eighty times its bytes, one long string hardly more than its own. So the parts are counted, in one pass that builds nothing.

/// What one object takes beside its members: the first node of a map (`BTreeMap<String, Value>`, eleven slots).
const OBJECT: usize = 672;
/// What one member takes: its slot in a node that may be half full, and the allocation of its name.
const MEMBER: usize = 160;
/// What one value of a list takes: its slot in a list that may just have doubled.
const ITEM: usize = 96;
/// What one text takes beside its bytes: an allocation.
const TEXT: usize = 32;

/// What a JSON text holds. Of a text that is not JSON it is what a reader can have built before it found that out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JsonSize {
    /// Its length in bytes.
    pub bytes: usize,
    /// Its objects.
    pub objects: usize,
    /// The members of its objects.
    pub members: usize,
    /// The values of its lists, and some that are counted as members too.
    pub items: usize,
    /// Its texts, names of members included.
    pub texts: usize,
}

impl JsonSize {
    /// Counts.
    pub fn of(json: &[u8]) -> Self {
        let mut size = Self { bytes: json.len(), items: 1, ..Self::default() };
        let mut in_text = false;
        let mut escaped = false;
        for byte in json {
            if in_text {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_text = false,
                    _ => {}
                }
                continue;
            }
            let count = match byte {
                b'"' => {
                    in_text = true;
                    &mut size.texts
                }
                b'{' => &mut size.objects,
                b':' => &mut size.members,
                b'[' | b',' => &mut size.items,
                _ => continue,
            };
            *count = count.saturating_add(1);
        }
        size
    }

    /// The most memory of the tree (`serde_json::Value`), in bytes.
    pub fn tree(&self) -> usize {
        let parts = [(self.objects, OBJECT), (self.members, MEMBER), (self.items, ITEM), (self.texts, TEXT)];
        parts.iter().fold(self.bytes, |sum, (count, each)| sum.saturating_add(count.saturating_mul(*each)))
    }
}

#[cfg(test)]
mod tests;
