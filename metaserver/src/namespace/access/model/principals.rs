//! Whom documents name, in the reference: people, not names.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Principals {
    /// Of all users that there ever were.
    births: u64,
    /// The users that there are, by name.
    users: BTreeMap<String, u64>,
    /// The user that the document of a holder names, such as `role audit`.
    named: BTreeMap<String, u64>,
}

impl Principals {
    pub fn born(&mut self, user: &str) {
        self.births += 1;
        self.users.insert(user.into(), self.births);
    }

    pub fn renamed(&mut self, from: &str, to: &str) {
        if let Some(user) = self.users.remove(from) {
            self.users.insert(to.into(), user);
        }
    }

    pub fn died(&mut self, user: &str) {
        self.users.remove(user);
    }

    /// A document is saved that names this user. There has to be one.
    pub fn name(&mut self, holder: &str, user: &str) -> Result<(), &'static str> {
        let user = self.users.get(user).ok_or("no principal")?;
        self.named.insert(holder.into(), *user);
        Ok(())
    }

    /// A document is saved that names nobody, or its holder is gone.
    pub fn forget(&mut self, holder: &str) {
        self.named.remove(holder);
    }

    /// By holder: what those whom documents name are called now; none: they are gone.
    pub fn shown(&self) -> BTreeMap<String, Option<String>> {
        let now = |user: &u64| self.users.iter().find(|(_, known)| *known == user).map(|(name, _)| name.clone());
        self.named.iter().map(|(holder, user)| (holder.clone(), now(user))).collect()
    }
}
