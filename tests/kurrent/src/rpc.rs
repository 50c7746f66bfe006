//! The three services, by the paths of their methods.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use prost::Message;
use tonic::body::Body;
use tonic::codec::ProstCodec;
use tonic::server::{
    ClientStreamingService, Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService,
};
use tonic::{Request, Response, Status, Streaming};
use tower::Service;

use crate::cluster::Shared;
use crate::proto::{self, batch as batch_proto};
use crate::{append, batch, read};

/// A node's service of one name.
#[derive(Clone)]
pub struct Rpc<const SERVICE: u8> {
    pub node: Arc<Shared>,
}

pub type Streams = Rpc<0>;
pub type Gossip = Rpc<1>;
pub type Features = Rpc<2>;

impl NamedService for Streams {
    const NAME: &'static str = "event_store.client.streams.Streams";
}
impl NamedService for Gossip {
    const NAME: &'static str = "event_store.client.gossip.Gossip";
}
impl NamedService for Features {
    const NAME: &'static str = "event_store.client.server_features.ServerFeatures";
}

type Answer<A> = BoxFuture<'static, Result<Response<A>, Status>>;

struct Read(Arc<Shared>);

impl ServerStreamingService<proto::ReadReq> for Read {
    type Response = proto::ReadResp;
    type ResponseStream = BoxStream<'static, Result<proto::ReadResp, Status>>;
    type Future = Answer<Self::ResponseStream>;

    fn call(&mut self, request: Request<proto::ReadReq>) -> Self::Future {
        let node = self.0.clone();
        Box::pin(async move { read::read(node, request.into_inner()).await.map(Response::new) })
    }
}

struct Append(Arc<Shared>);

impl ClientStreamingService<proto::AppendReq> for Append {
    type Response = proto::AppendResp;
    type Future = Answer<proto::AppendResp>;

    fn call(&mut self, request: Request<Streaming<proto::AppendReq>>) -> Self::Future {
        let node = self.0.clone();
        Box::pin(async move { append::append(node, request.into_inner()).await.map(Response::new) })
    }
}

struct BatchAppend(Arc<Shared>);

impl StreamingService<batch_proto::Req> for BatchAppend {
    type Response = batch_proto::Resp;
    type ResponseStream = batch::Answers;
    type Future = Answer<Self::ResponseStream>;

    fn call(&mut self, request: Request<Streaming<batch_proto::Req>>) -> Self::Future {
        let node = self.0.clone();
        Box::pin(async move { batch::append(node, request.into_inner()).await.map(Response::new) })
    }
}

/// The end of a stream, of one kind or the other.
struct Ending(Arc<Shared>, fn(&Shared, proto::TargetReq) -> Result<proto::TargetResp, Status>);

impl UnaryService<proto::TargetReq> for Ending {
    type Response = proto::TargetResp;
    type Future = Answer<proto::TargetResp>;

    fn call(&mut self, request: Request<proto::TargetReq>) -> Self::Future {
        let done = self.1(&self.0, request.into_inner()).map(Response::new);
        Box::pin(async move { done })
    }
}

struct Members(Arc<Shared>);

impl UnaryService<proto::Empty> for Members {
    type Response = proto::ClusterInfo;
    type Future = Answer<proto::ClusterInfo>;

    fn call(&mut self, _: Request<proto::Empty>) -> Self::Future {
        let members = self.0.members();
        Box::pin(async move { Ok(Response::new(proto::ClusterInfo { members })) })
    }
}

struct SupportedMethods;

impl UnaryService<proto::Empty> for SupportedMethods {
    type Response = proto::SupportedMethods;
    type Future = Answer<proto::SupportedMethods>;

    fn call(&mut self, _: Request<proto::Empty>) -> Self::Future {
        let event_store_server_version = "24.10.0".to_owned();
        let method = |name: &str| proto::SupportedMethod {
            method_name: name.to_owned(),
            service_name: "event_store.client.streams.streams".to_owned(),
            features: Vec::new(),
        };
        let methods = ["read", "append", "batchappend", "delete", "tombstone"].map(method).to_vec();
        let methods = proto::SupportedMethods { methods, event_store_server_version };
        Box::pin(async move { Ok(Response::new(methods)) })
    }
}

fn codec<A, Q>() -> ProstCodec<A, Q>
where
    A: Message + Default + Send + 'static,
    Q: Message + Default + Send + 'static,
{
    ProstCodec::default()
}

impl<const SERVICE: u8> Service<http::Request<Body>> for Rpc<SERVICE> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let node = self.node.clone();
        // Gossip and the server's features are told to everybody, as a real server does it.
        let shown = request.headers().get("authorization").map(|shown| shown.to_str().unwrap_or_default());
        let refused = node.faults.let_in(shown).err().filter(|_| SERVICE == 0);
        Box::pin(async move {
            if let Some(refused) = refused {
                return Ok(refused.into_http());
            }
            let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            Ok(match (SERVICE, method.as_str()) {
                (0, "Read") => Grpc::new(codec()).server_streaming(Read(node), request).await,
                (0, "Append") => {
                    let mut grpc = Grpc::new(codec()).max_decoding_message_size(usize::MAX);
                    grpc.client_streaming(Append(node), request).await
                }
                (0, "BatchAppend") => {
                    let mut grpc = Grpc::new(codec()).max_decoding_message_size(usize::MAX);
                    grpc.streaming(BatchAppend(node), request).await
                }
                (0, "Tombstone") => Grpc::new(codec()).unary(Ending(node, append::tombstone), request).await,
                (0, "Delete") => Grpc::new(codec()).unary(Ending(node, append::delete), request).await,
                (1, "Read") => Grpc::new(codec()).unary(Members(node), request).await,
                (2, "GetSupportedMethods") => Grpc::new(codec()).unary(SupportedMethods, request).await,
                (_, other) => Status::unimplemented(format!("no method {other}")).into_http(),
            })
        })
    }
}
