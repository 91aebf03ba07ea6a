//! Adapters against local servers that speak the documented formats; the desk against providers that do as told.

mod adapters;
mod bounds;
mod desk;
mod replicas;
mod secrecy;
mod stub;
