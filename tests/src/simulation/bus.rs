//! The bus as one process sees it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use nogfso_bus::{
    Bus, BusError, Message, Messages, Reply, Request, RequestError, Requests, Responder,
    ServiceSpec,
};

use super::life::Life;

/// The bus of a process.
pub(super) struct SimBus(pub(super) Arc<Life>);

#[async_trait]
impl Bus for SimBus {
    async fn publish(&self, message: Message) -> Result<(), BusError> {
        self.0.gate("say").await;
        if self.0.is_cut_off() {
            return Err(BusError::Disconnected);
        }
        self.0.bus.publish(message).await
    }

    async fn request(&self, message: Message, patience: Duration) -> Result<Message, RequestError> {
        self.0.gate("ask").await;
        if self.0.is_cut_off() {
            return Err(RequestError::Bus(BusError::Disconnected));
        }
        let answer = self.0.bus.request(message, patience).await;
        self.0.gate("asked").await;
        answer
    }

    async fn subscribe(&self, filter: &str) -> Result<Messages, BusError> {
        self.0.gate("subscribe").await;
        let life = Arc::clone(&self.0);
        let messages = self.0.bus.subscribe(filter).await?;
        let heard = messages.filter_map(move |message| {
            let life = Arc::clone(&life);
            async move {
                life.gate("hear").await;
                (!life.is_cut_off()).then_some(message)
            }
        });
        Ok(heard.boxed())
    }

    async fn serve(&self, service: ServiceSpec) -> Result<Requests, BusError> {
        self.0.gate("serve").await;
        let life = Arc::clone(&self.0);
        let requests = self.0.bus.serve(service).await?;
        let taken = requests.filter_map(move |request| {
            let life = Arc::clone(&life);
            async move {
                life.gate("be asked").await;
                let responder = Box::new(SimResponder {
                    life: Arc::clone(&life),
                    inner: request.responder,
                });
                (!life.is_cut_off()).then_some(Request {
                    responder,
                    ..request
                })
            }
        });
        Ok(taken.boxed())
    }

    fn is_connected(&self) -> bool {
        !self.0.is_cut_off()
    }

    async fn flush(&self) {}
}

struct SimResponder {
    life: Arc<Life>,
    inner: Box<dyn Responder>,
}

#[async_trait]
impl Responder for SimResponder {
    async fn respond(self: Box<Self>, reply: Reply) -> Result<(), BusError> {
        self.life.gate("answer").await;
        if self.life.is_cut_off() {
            return Err(BusError::Disconnected);
        }
        self.inner.respond(reply).await
    }
}
