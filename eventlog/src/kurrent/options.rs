//! What all calls have in common.

use eventstore::{AppendToStreamOptions, Credentials, ReadAllOptions, ReadStreamOptions};

/// Options of a call.
pub(super) trait CallOptions: Sized {
    /// Sent to the leader, whose answer is the last word, and in the name of our user.
    fn to_leader(self, user: Option<&Credentials>) -> Self;
}

macro_rules! call_options {
    ($($options:ty),+) => {$(
        impl CallOptions for $options {
            fn to_leader(self, user: Option<&Credentials>) -> Self {
                let options = self.requires_leader(true);
                match user {
                    Some(user) => options.authenticated(user.clone()),
                    None => options,
                }
            }
        }
    )+};
}

call_options!(AppendToStreamOptions, ReadAllOptions, ReadStreamOptions);
