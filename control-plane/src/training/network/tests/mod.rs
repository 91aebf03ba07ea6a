//! Proof that the network learns what it should: against finite differences, against PyTorch, against core.

mod gradients;
mod parity;
mod reference;
mod trainable;
