use super::*;
use crate::access::Access;
use crate::config::Config;
use crate::context::{Own, Timing};
use crate::link::LinkEnd;
use crate::metrics::Metrics;
use crate::room::identity::{Mint, Secret};
use gpys_proto::wire::Presence;

/// A client that says hello, then makes the server panic.
struct Cursed {
    hello: Option<Bytes>,
}

impl Source for Cursed {
    async fn next(&mut self) -> Result<Input, Over> {
        Ok(Input::Reliable(self.hello.take().expect("a second message")))
    }
}

fn hello() -> ClientMessage {
    ClientMessage::Hello(Hello { presence: Presence::Watching, ..Hello::new("lobby") })
}

fn context() -> Arc<ServerContext> {
    let config = Config::default();
    ServerContext::new(
        &config,
        Own::default(),
        Access::default(),
        Mint::new(Secret::random(), 0),
        Timing::default(),
        Metrics::new(),
    )
}

async fn enter(context: &Arc<ServerContext>) -> (Session, LinkEnd) {
    let (link, end, _path) = Link::web_socket(context.clock);
    let ClientMessage::Hello(hello) = hello() else { unreachable!() };
    let entered = Session::enter(Arc::clone(context), link, &hello, Grant::OPEN).await;
    (entered.unwrap(), end)
}

#[tokio::test]
async fn a_panic_ends_only_its_own_session() {
    let context = context();
    let (bystander, _end) = enter(&context).await;
    let (link, end, _path) = Link::web_socket(context.clock);
    let mut cursed = Cursed { hello: Some(hello().encode().into()) };
    run(&context, &link, end.ending, &mut cursed).await;
    assert_eq!(link.why(), Some(CloseCode::Restarting.into()));
    assert_eq!(bystander.link.why(), None);
    // The room must learn that the link is gone, since its task cannot report it any more.
    let text = loop {
        let text = context.metrics.text().unwrap();
        if text.contains("gpys_leaves_total{reason=\"restarting\"} 1") {
            break text;
        }
        tokio::task::yield_now().await;
    };
    assert!(text.contains("gpys_peers{transport=\"websocket\"} 1"), "{text}");
    assert!(text.contains("gpys_panics_total{part=\"session\"} 1"), "{text}");
    assert!(text.contains("gpys_panics_total{part=\"room\"} 0"), "{text}");
}
