//! The three services.

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use crate::cluster::Shared;
use crate::proto::{self, Gossip, ServerFeatures, Streams};
use crate::{append, batch, read};

/// A node, as its services see it.
#[derive(Clone)]
pub struct Rpc(pub Arc<Shared>);

type Answer<A> = Result<Response<A>, Status>;

#[tonic::async_trait]
impl Streams for Rpc {
    type ReadStream = read::Answers;

    async fn read(&self, request: Request<proto::ReadReq>) -> Answer<Self::ReadStream> {
        read::read(self.0.clone(), request.into_inner()).await.map(Response::new)
    }

    async fn append(&self, request: Request<Streaming<proto::AppendReq>>) -> Answer<proto::AppendResp> {
        append::append(self.0.clone(), request.into_inner()).await.map(Response::new)
    }

    type BatchAppendStream = batch::Answers;

    async fn batch_append(
        &self,
        request: Request<Streaming<proto::BatchAppendReq>>,
    ) -> Answer<Self::BatchAppendStream> {
        batch::append(self.0.clone(), request.into_inner()).await.map(Response::new)
    }

    async fn delete(&self, request: Request<proto::TargetReq>) -> Answer<proto::TargetResp> {
        append::delete(&self.0, request.into_inner()).map(Response::new)
    }

    async fn tombstone(&self, request: Request<proto::TargetReq>) -> Answer<proto::TargetResp> {
        append::tombstone(&self.0, request.into_inner()).map(Response::new)
    }
}

#[tonic::async_trait]
impl Gossip for Rpc {
    async fn read(&self, _: Request<proto::Empty>) -> Answer<proto::ClusterInfo> {
        Ok(Response::new(proto::ClusterInfo { members: self.0.members() }))
    }
}

#[tonic::async_trait]
impl ServerFeatures for Rpc {
    async fn get_supported_methods(&self, _: Request<proto::Empty>) -> Answer<proto::SupportedMethods> {
        let event_store_server_version = "24.10.0".to_owned();
        let method = |name: &str| proto::SupportedMethod {
            method_name: name.to_owned(),
            service_name: "event_store.client.streams.streams".to_owned(),
            features: Vec::new(),
        };
        let methods = ["read", "append", "batchappend", "delete", "tombstone"].map(method).to_vec();
        Ok(Response::new(proto::SupportedMethods { methods, event_store_server_version }))
    }
}
