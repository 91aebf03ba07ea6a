//! The keys in Redis. What is in braces decides on the slot in a cluster; every operation stays in one slot.

use redis::Pipeline;

/// Makes keys under a prefix.
#[derive(Clone)]
pub(super) struct Keys {
    prefix: String,
    instance: u64,
}

impl Keys {
    /// Keys under `prefix` for the process of this number.
    pub(super) fn new(prefix: &str, instance: u64) -> Self {
        Self { prefix: prefix.to_owned(), instance }
    }

    /// A number of this process that no other has.
    pub(super) fn instance(&self) -> u64 {
        self.instance
    }

    pub(super) fn rate(&self, rule: u8, key: u64) -> String {
        format!("{}rate:{{{rule}:{key:016x}}}", self.prefix)
    }

    /// `suspicious:{session_id}`; the session's id is the keyed hash of what the visitor sent.
    pub(super) fn suspicious(&self, session_id: u64) -> String {
        format!("{}suspicious:{{{session_id:016x}}}", self.prefix)
    }

    pub(super) fn fading(&self, kind: u8, key: u64) -> String {
        format!("{}fading:{{{kind}:{key:016x}}}", self.prefix)
    }

    pub(super) fn kept(&self, name: &str) -> String {
        format!("{}kept:{{{name}}}", self.prefix)
    }

    pub(super) fn claim(&self, name: &str) -> String {
        format!("{}claim:{{{name}}}", self.prefix)
    }

    pub(super) fn quota(&self, name: &str, day: u64) -> String {
        format!("{}quota:{{{name}}}:{day}", self.prefix)
    }

    pub(super) fn snapshot(&self) -> String {
        format!("{}{{snapshot}}", self.prefix)
    }

    /// Revision, ids by revision, bytes by id.
    pub(super) fn set(&self, name: &str) -> [String; 3] {
        ["revision", "ids", "bytes"].map(|part| format!("{}set:{{{name}}}:{part}", self.prefix))
    }

    /// The channel of notices.
    pub(super) fn notices(&self) -> String {
        format!("{}notices", self.prefix)
    }

    /// A key that is written only to see whether it can be.
    pub(super) fn probe(&self) -> String {
        format!("{}probe:{{{:016x}}}", self.prefix, self.instance)
    }

    /// The commands that agree on a value under a name; the last one answers it.
    pub(super) fn agree(&self, name: &str, value: &[u8]) -> Pipeline {
        let key = self.agreed(name);
        let mut commands = redis::pipe();
        commands.cmd("SET").arg(&key).arg(value).arg("NX");
        commands.cmd("GET").arg(&key);
        commands
    }

    /// What was agreed on under a name.
    pub(super) fn agreed(&self, name: &str) -> String {
        format!("{}agreed:{{{name}}}", self.prefix)
    }
}
