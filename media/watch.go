package media

import (
	"context"
	"time"
)

// What a session tells by events is found by looking at its counters twice a second: the way of a packet has no part
// in it.
const (
	lookEvery   = 500 * time.Millisecond
	oneWayAfter = 3*time.Second - lookEvery // so that it is told within 3 s
	lifeShare   = 8                         // new keys are wanted when one in lifeShare of the packets is left
)

// watch is what is being waited for at both sides of a session. It is owned by the session's worker.
type watch struct {
	notify     func(Event)
	answered   bool
	answeredAt time.Duration
	sides      [2]sideWatch
}

// sideWatch is what is being waited for from one remote.
type sideWatch struct {
	expected  bool          // the remote should send now
	once      bool          // it should already before: what begins now begins after a hold
	authentic uint64        // packets of either kind, at the last look
	heardAt   time.Duration // when that number last grew, or the remote began to be expected
	toldAt    time.Duration // when heardAt was set, or EventSilent was told since
	first     bool          // EventFirstAudio was told
}

// trial is the time after an answer or a hold within which a remote's audio must be delivered.
type trial struct {
	until     time.Duration
	afterHold bool
	delivered uint64 // RTP packets that the other side had got before
	drops     Drops  // and what had been dropped
	sample    []byte // the latest packet with a wrong tag; capacity maxSample
}

// maxSample is the longest packet in bytes that is looked into; audio is shorter.
const maxSample = 512

// keep copies a packet with a wrong tag, so that the cause can be told from it.
func (t *trial) keep(packet []byte) {
	if len(packet) <= cap(t.sample) {
		t.sample = append(t.sample[:0], packet...)
	}
}

// watch looks at the sessions of all workers until the context ends.
func (r *Relay) watch(ctx context.Context, workers []*worker) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, w := range workers {
			if w.load.Load() > 0 {
				w.do(w.look)
			}
		}
	}
}

// look tells what there is to tell of all sessions, and sends the reports that are due.
func (w *worker) look() {
	now, silence := w.clock(), w.patience()
	w.expire(now)
	for s := range w.sessions {
		w.current = s
		s.look(now, silence)
		for side := range s.legs {
			if s.legs[side].owes(now) {
				w.report(s, Side(side), now)
			}
		}
	}
	w.current = nil
}

// patience is how long a remote may be silent before it is told; 0: for ever.
func (w *worker) patience() time.Duration { return time.Duration(w.silence.Load()) }

// answer begins the time after the answer.
func (s *state) answer(now, silence time.Duration) {
	if s.watch.answered {
		return
	}
	s.watch.answered, s.watch.answeredAt = true, now
	for side := range s.legs {
		s.legs[side].out.awaited = true
	}
	s.look(now, silence)
}

// look compares the counters of both sides with what they should be. silence is how long a remote may send nothing; 0
// is for ever.
func (s *state) look(now, silence time.Duration) {
	if s.watch.notify == nil {
		return
	}
	for side := range s.legs {
		s.lookSide(Side(side), now, silence)
	}
}

func (s *state) lookSide(side Side, now, silence time.Duration) {
	w, from, to := &s.watch.sides[side], &s.legs[side], &s.legs[1-side]
	tell := func(e Event) {
		e.Side = side
		s.watch.notify(e)
	}
	if from.aged() {
		tell(Event{Kind: EventLifetime})
	}
	if from.outlived() {
		tell(Event{Kind: EventOutlived})
	}
	if !s.watch.answered {
		return
	}
	if !w.first && !to.out.awaited {
		w.first = true
		tell(Event{Kind: EventFirstAudio, After: to.out.deliveredAt - s.watch.answeredAt})
	}
	should := from.set && to.set && !from.remote.mute && !from.remote.hold && !to.remote.hold
	authentic := from.count.received[rtp] + from.count.received[rtcp]
	if should && !w.expected {
		w.heardAt, w.toldAt = now, now
		from.trial = &trial{until: now + oneWayAfter, afterHold: w.once, delivered: to.count.sent[rtp], drops: from.count.drops}
		if from.sealedIn {
			from.trial.sample = make([]byte, 0, maxSample)
		}
	}
	w.expected, w.once = should, w.once || should
	if authentic != w.authentic {
		w.authentic, w.heardAt, w.toldAt = authentic, now, now
	}
	if !should {
		from.trial = nil
		return
	}
	if t := from.trial; t != nil && (to.count.sent[rtp] > t.delivered || now >= t.until) {
		from.trial = nil
		if to.count.sent[rtp] == t.delivered {
			tell(Event{Kind: EventOneWay, Cause: t.cause(from)})
		}
	}
	if silence > 0 && now-w.toldAt >= silence {
		w.toldAt = now
		other := &s.watch.sides[1-side]
		tell(Event{Kind: EventSilent, After: now - w.heardAt, Both: other.expected && now-other.heardAt >= silence})
	}
}

// cause names what kept the leg's audio from being delivered: what most of its packets met.
func (t *trial) cause(l *leg) OneWay {
	var met [oneWayCount]uint64
	for d := DropNone + 1; d < dropCount; d++ {
		met[d.oneWay()] += l.count.drops[d] - t.drops[d]
	}
	met[OneWayNothing] = 0 // RTCP, and what came before the answer
	most := OneWayNothing
	for cause, n := range met {
		if n > met[most] {
			most = OneWay(cause)
		}
	}
	switch {
	case most == OneWayNothing && t.afterHold:
		return OneWayAfterHold
	case most != OneWayKey:
		return most
	case unsealed(t.sample):
		return OneWayPlain
	case len(t.sample) > 0 && l.opened[0].context.OtherRollover(t.sample):
		return OneWayRollover
	}
	return OneWayKey
}

// oneWay is what a cause of drops means for the audio of its side.
func (d Drop) oneWay() OneWay {
	switch d {
	case DropAuth:
		return OneWayKey
	case DropReplay, DropStreams, DropDuplicate:
		return OneWayReplay
	case DropWrongSource:
		return OneWaySource
	case DropShort, DropLong, DropSTUN, DropZRTP, DropDTLS, DropNotRTP, DropHeader:
		return OneWayNotRTP
	case DropNoRoute, DropHeld, DropLate, DropExhausted, DropSend:
		return OneWayUndelivered
	case DropNone, DropEarly, DropClearRTCP, DropUnencrypted, DropJump, DropBadRTCP, DropRTCPKind, DropUnwanted, dropCount:
	}
	return OneWayNothing
}

// unsealed reports whether an RTP packet with a wrong tag has the length that it would have without any: whole frames
// of a codec whose payload type (RFC 3551 table 4) says how long they are. Tags are 4, 10 or 16 bytes.
func unsealed(packet []byte) bool {
	if len(packet) <= rtpHeader || packet[0]&0x3f != 0 {
		return false
	}
	payload := len(packet) - rtpHeader
	switch packet[1] & 0x7f {
	case 0, 8, 9: // G.711 and G.722: 80 bytes in 10 ms
		return payload%80 == 0
	case 3: // GSM: 33 bytes in 20 ms
		return payload%33 == 0
	}
	return false
}

// used returns how many packets the keys for receiving and for sending have protected.
func (l *leg) used() (received, sent uint64) {
	received, sent = since(l.count.received, l.receiveBase), since(l.count.sent, l.sendBase)
	if len(l.opened) > 0 {
		received += l.opened[0].used
	}
	return received, sent
}

// aged reports, once for each key, that 7/8 of the packets that it may protect have gone.
func (l *leg) aged() bool {
	received, sent := l.used()
	fresh := false
	for i, key := range [...]struct{ used, life uint64 }{{received, l.remote.receiveLife}, {sent, l.remote.sendLife}} {
		if key.life > 0 && key.used >= key.life-key.life/lifeShare && !l.agedTold[i] {
			l.agedTold[i], fresh = true, true
		}
	}
	return fresh
}

// outlived reports once that the remote goes on with a key that has protected all the packets that it may.
func (l *leg) outlived() bool {
	received, _ := l.used()
	if l.remote.receiveLife == 0 || received <= l.remote.receiveLife || l.outlivedTold {
		return false
	}
	l.outlivedTold = true
	return true
}

// since returns how many packets of the kind that has more were counted since base (RFC 4568 section 6.1: a lifetime
// is one of SRTP or SRTCP packets, whichever ends first).
func since(count, base [kinds]uint64) uint64 {
	return max(count[rtp]-base[rtp], count[rtcp]-base[rtcp])
}

// turn ends the term of the key in front of l.opened: another one takes its place.
func (l *leg) turn() {
	if len(l.opened) > 0 {
		l.opened[0].used += since(l.count.received, l.receiveBase)
	}
	l.receiveBase, l.agedTold[0], l.outlivedTold = l.count.received, false, false
}
