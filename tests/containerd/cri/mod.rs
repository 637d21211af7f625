//! A client of the Container Runtime Interface, as the kubelet is one.

pub mod messages;

use std::path::Path;
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::common::engine::eventually;
use messages::Nothing;

/// A connection to a runtime, with the thread's own event loop.
pub struct Client {
    events: Runtime,
    channel: Channel,
}

impl Client {
    /// Waits until the runtime at this socket answers.
    #[track_caller]
    pub fn new(socket: &Path) -> Client {
        let events = Builder::new_current_thread().enable_all().build();
        let events = events.expect("an event loop can be made");
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()));
        let endpoint = endpoint.expect("the socket's path makes a URI");
        let endpoint = endpoint.timeout(Duration::from_secs(60));
        let channel = events.block_on(async { endpoint.connect_lazy() });
        let client = Client { events, channel };
        eventually("the runtime answers", || client.call::<Nothing>("Status", Nothing {}).is_ok());
        client
    }

    /// Calls a method of the runtime service.
    pub fn call<A: Message + Default + 'static>(
        &self,
        method: &str,
        request: impl Message + 'static,
    ) -> Result<A, Status> {
        let path = format!("/runtime.v1.RuntimeService/{method}");
        let path: PathAndQuery = path.parse().expect("a method's name is a path");
        let mut grpc = Grpc::new(self.channel.clone());
        self.events.block_on(async {
            // What the channel refuses is no answer of the runtime's, but no less a failure.
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let answer = grpc.unary(Request::new(request), path, ProstCodec::default()).await;
            answer.map(tonic::Response::into_inner)
        })
    }
}
