//! How much a label moves the model: the more one client or one token has said, the less its next word counts.

use std::collections::HashMap;

/// Sum that the weights of one client's labels come to, however many there are.
pub const CLIENT_TOTAL: f32 = 4.0;

/// The same for one token.
pub const TOKEN_TOTAL: f32 = 200.0;

/// A label that would weigh less is not heard: its client or token has said enough.
const LEAST_WEIGHT: f32 = 0.02;

/// Clients told apart; those that come later count as one.
const CLIENT_LIMIT: usize = 65_536;

/// Who has said how much in this generation.
#[derive(Clone, Debug, Default)]
pub struct Influence {
    clients: HashMap<Option<u64>, u32>,
    tokens: HashMap<Option<i64>, u32>,
}

impl Influence {
    /// Counts a label and answers its weight, in [0.02, 1]: `(1 − 1/4)^n · (1 − 1/200)^m`, where n labels of the client
    /// were heard before this one and m of the token. Summed up, a client never comes to more than [`CLIENT_TOTAL`] and
    /// a token never to more than [`TOKEN_TOTAL`]. All unknown clients count as one, and all unknown tokens.
    ///
    /// `None` where that would be less: the label is not heard. It is not counted either, lest a token that has said
    /// enough use up what others may say of a client.
    pub fn weigh(&mut self, client: Option<u64>, token: Option<i64>) -> Option<f32> {
        let is_full = self.clients.len() >= CLIENT_LIMIT;
        let client = client.filter(|_| !is_full || self.clients.contains_key(&client));
        let (clients, tokens) =
            (self.clients.entry(client).or_default(), self.tokens.entry(token).or_default());
        let weight = falling(CLIENT_TOTAL, *clients) * falling(TOKEN_TOTAL, *tokens);
        if weight < LEAST_WEIGHT {
            return None;
        }
        *clients = clients.saturating_add(1);
        *tokens = tokens.saturating_add(1);
        Some(weight)
    }
}

/// Falls geometrically so that all terms together come to `total`.
fn falling(total: f32, before: u32) -> f32 {
    libm::powf(1.0 - 1.0 / total, before as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_and_one_token_come_to_no_more_than_their_totals() {
        let mut influence = Influence::default();
        assert_eq!(influence.weigh(Some(1), Some(1)), Some(1.0));
        let client: f32 = (0..1_000).filter_map(|token| influence.weigh(Some(1), Some(token))).sum();
        assert!(1.0 + client <= CLIENT_TOTAL && client > 0.9 * (CLIENT_TOTAL - 1.0), "{client}");
        let mut influence = Influence::default();
        let token: f32 = (0..10_000).filter_map(|client| influence.weigh(Some(client), Some(1))).sum();
        assert!(token <= TOKEN_TOTAL && token > 0.95 * TOKEN_TOTAL, "{token}");
        assert_eq!(influence.weigh(Some(1 << 40), Some(1)), None);
        assert_eq!(influence.weigh(Some(1 << 41), Some(2)), Some(1.0), "another token is not silenced by it");
    }

    #[test]
    fn who_has_said_enough_uses_up_nothing_of_others() {
        let mut influence = Influence::default();
        assert!((0..2_000).any(|client| influence.weigh(Some(client), Some(1)).is_none()));
        for _ in 0..100 {
            assert_eq!(influence.weigh(Some(5_000), Some(1)), None);
        }
        assert_eq!(
            influence.weigh(Some(5_000), Some(2)),
            Some(1.0),
            "what others say of this client counts still"
        );
        assert!((10..100).any(|token| influence.weigh(Some(6_000), Some(token)).is_none()));
        for _ in 0..100 {
            assert_eq!(influence.weigh(Some(6_000), Some(3)), None);
        }
        assert_eq!(influence.weigh(Some(7_000), Some(3)), Some(1.0), "nor is a token by a client");
    }

    #[test]
    fn clients_without_number_share_one_account() {
        let mut influence = Influence::default();
        let unknown: f32 = (0..100).filter_map(|token| influence.weigh(None, Some(token))).sum();
        assert!(unknown <= CLIENT_TOTAL, "{unknown}");
        for client in 0..CLIENT_LIMIT as u64 + 100 {
            influence.weigh(Some(client), None);
        }
        assert!(influence.clients.len() <= CLIENT_LIMIT);
    }
}
