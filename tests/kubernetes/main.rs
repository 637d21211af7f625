//! The manifests in hooks/kubernetes: what kustomize makes of them is what Kubernetes takes, and
//! what they run on a node registers the hook there, or takes it away again.

#[path = "../common/mod.rs"]
mod common;

mod guard;
mod image;
mod manifests;
mod node;
mod pinned;
mod rendered;
mod schema;
