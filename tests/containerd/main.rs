//! containerd runs devgate as a hook: for ctr, and for the pods of Kubernetes.

#[path = "../common/mod.rs"]
mod common;

mod by_base_spec;
mod by_cdi;
mod by_ctr;
mod by_nri;
mod cri;
mod daemon;
mod image;
mod kinds;
mod pods;
mod recorded;
mod spec;
mod version;
mod watched;
