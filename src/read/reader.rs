//! The one reader of all roads: it goes to where a stretch of a source begins, and hands out its packets in
//! the order of the file, on a clock that goes on.

use super::{
    jumps::{Jumps, jumped},
    leadin,
    need::Need,
};
use crate::{
    Control, Limits, Media, Result,
    av::packet::Packet,
    media::{Item, Loan, Payloads},
    time::Timestamp,
};
use std::collections::{BTreeSet, VecDeque};

/// What is read of a media.
pub(crate) struct Stretch<'a> {
    pub streams: &'a [usize],
    pub payloads: Payloads,
    /// On the file's clock; [`Timestamp::MAX`]: the media's end.
    pub from: Timestamp,
    pub to: Timestamp,
    /// It begins with the media.
    pub at_start: bool,
}

/// Packets of one stretch of a media. A context that failed is not lent again.
pub(crate) struct Reader {
    media: Media,
    loan: Loan,
    control: Control,
    jumps: Option<Jumps>,
    /// Read before they are asked for: the lead-in, and what was looked at behind it.
    ahead: VecDeque<Item>,
    /// Bytes of memory that they took.
    held: u64,
    /// Streams whose clock jumped.
    jumped: BTreeSet<usize>,
}

/// What a reader saw and counted.
#[derive(Default)]
pub(crate) struct Noted {
    pub bytes_read: u64,
    pub warnings: Vec<String>,
}

impl Reader {
    pub(crate) fn open(media: &Media, stretch: &Stretch<'_>, control: &Control) -> Result<Self> {
        // Seeking back to the start is exact by an index alone.
        let fresh = stretch.at_start && !media.is_indexed();
        let mut reader = Self::of(media, media.demux(control, fresh)?, stretch, control)?;
        let expected = media.bytes_between(stretch.from, stretch.to);
        reader.loan.get()?.expects(expected);
        Ok(reader)
    }

    /// The same from a media's start on, by a context of its own: for what is read beside other jobs, and as
    /// slowly as it is shown.
    pub(crate) fn open_own(media: &Media, stretch: &Stretch<'_>, control: &Control) -> Result<Self> {
        Self::of(media, media.own_demux(control)?, stretch, control)
    }

    fn of(media: &Media, mut loan: Loan, stretch: &Stretch<'_>, control: &Control) -> Result<Self> {
        // What is in front of a media's first picture is of its beginning.
        let from = if stretch.at_start { Timestamp::from_nanos(i64::MIN) } else { stretch.from };
        let begun = loan.get()?.begin(stretch.streams, stretch.payloads, control);
        let mut reader = Self {
            media: media.clone(),
            loan,
            control: control.clone(),
            jumps: media.may_jump().then(|| Jumps::from(from)),
            ahead: VecDeque::new(),
            held: 0,
            jumped: BTreeSet::new(),
        };
        reader.judge(begun)?;
        Ok(reader)
    }

    /// Goes to where these streams are to be decoded from, and reads up to what is shown; the primary
    /// stream's need is the first. Returns the pts of the primary stream's first packet, in ticks.
    pub(crate) fn begin(&mut self, needs: &[Need], everything: bool) -> Result<Option<i64>> {
        let read = leadin::read(&self.media, self.loan.get()?, needs, everything, &self.control);
        let lead = self.judge(read)?;
        self.held = leadin::memory(&lead.packets);
        self.ahead = lead.packets.into();
        Ok(lead.begins)
    }

    /// The packets that were read ahead, in the file's own times.
    pub(crate) fn ahead(&self) -> impl Iterator<Item = &Packet> {
        self.ahead.iter().map(|item| &item.packet)
    }

    /// Reads one packet more ahead; None at the end. `what` lies so far behind that packets are held, for the
    /// error that there are too many of them.
    pub(crate) fn look_further(&mut self, what: &str) -> Result<Option<&Packet>> {
        self.control.check()?;
        let mut item = Item::new()?;
        let more = self.loan.get()?.read(&mut item);
        if !self.judge(more)? {
            return Ok(None);
        }
        self.held = self.held.saturating_add(item.packet.memory());
        let most = self.control.get_limits().memory;
        Limits::hold(self.held, most, "memory", || {
            format!("{what} begins so far behind the other streams that more than {most} bytes would be held")
        })?;
        self.ahead.push_back(item);
        Ok(self.ahead.back().map(|item| &item.packet))
    }

    /// The next packet; false at the end.
    pub(crate) fn next(&mut self, item: &mut Item) -> Result<bool> {
        match self.ahead.pop_front() {
            Some(ahead) => *item = ahead,
            None => {
                let more = self.loan.get()?.read(item);
                if !self.judge(more)? {
                    return Ok(false);
                }
            }
        }
        if let Some(jumps) = &mut self.jumps {
            let index = item.packet.stream();
            if let Some(stream) = self.media.streams().get(index)
                && jumps.bridge(&mut item.packet, stream)
            {
                self.jumped.insert(index);
            }
        }
        Ok(true)
    }

    /// The dts of a stream's last packet, where an index says it.
    pub(crate) fn last_indexed(&mut self, stream: usize) -> Option<i64> {
        let demux = self.loan.get().ok()?;
        demux.last_indexed(stream).filter(|_| self.media.is_indexed())
    }

    /// The end of the work: what was seen and counted. `copied`: what was read is in the result as it was. A
    /// source that was changed meanwhile is seen here at the latest.
    pub(crate) fn finish(mut self, copied: bool) -> Result<Noted> {
        let demux = self.loan.get()?;
        let mut warnings: Vec<_> = std::mem::take(&mut self.jumped).into_iter().map(jumped).collect();
        warnings.extend(demux.take_warnings(copied));
        let noted = Noted { bytes_read: demux.take_bytes_read(), warnings };
        self.media.source().check_unchanged()?;
        Ok(noted)
    }

    fn judge<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            self.loan.spoil();
        }
        outcome
    }
}
