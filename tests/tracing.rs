//! The feature `tracing`: a span for every operation, and an event with its figures inside.

mod common;

use avrope::{Control, Cut, Join, Remux, Sink, Source, TimeRange};
use common::{clip, open};
use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Writes down what is told of avrope.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl Told {
    fn push(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("avrope")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(span.metadata().name().to_owned());
        span.record(&mut fields);
        self.push(fields.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields("event".to_owned());
        event.record(&mut fields);
        self.push(fields.0);
    }

    fn enter(&self, _: &Id) {
        self.push("enter".into());
    }

    fn exit(&self, _: &Id) {
        self.push("exit".into());
    }
}

/// What is told while something runs.
fn told(run: impl FnOnce()) -> Vec<String> {
    let told = Told::default();
    tracing::subscriber::with_default(told.clone(), run);
    std::mem::take(&mut *told.0.lock().unwrap())
}

#[test]
fn every_operation_has_a_span_with_its_figures() {
    let (media, control) = (open(&clip()), Control::default());
    let source = Source::open(clip()).unwrap();
    let range = Cut::new().keep(TimeRange::secs(1.0, 3.0).unwrap()).format("mp4");
    type Run<'a> = Box<dyn FnOnce() -> u64 + 'a>;
    let runs: [(&str, Run<'_>); 4] = [
        ("cut", Box::new(|| avrope::cut(&media, &range, &control).unwrap().report.packets)),
        (
            "cut",
            Box::new(|| {
                avrope::cut_to(&media, &range, Sink::writer(std::io::sink()), &control).unwrap().packets
            }),
        ),
        (
            "join",
            Box::new(|| {
                let two = [source.clone(), source];
                avrope::join(&two, &Join::new().format("mp4"), &control).unwrap().report.packets
            }),
        ),
        (
            "remux",
            Box::new(|| avrope::remux(&media, &Remux::new().format("mkv"), &control).unwrap().report.packets),
        ),
    ];
    for (operation, run) in runs {
        let mut packets = 0;
        let told = told(|| packets = run());
        let [span, enter, event, exit] = &told[..] else { panic!("{operation}: {told:#?}") };
        assert_eq!(*span, format!("avrope operation={operation:?}"));
        assert_eq!((enter.as_str(), exit.as_str()), ("enter", "exit"), "{operation}");
        assert!(event.contains(&format!(" packets={packets} ")), "{operation}: {event}");
    }
}
