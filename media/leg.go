package media

import (
	"crypto/subtle"
	"net/netip"
	"time"

	"callseal/media/srtp"
)

const (
	oldKeyGrace    = 2 * time.Second // for how long after a re-key packets under the last key are still opened
	maxReceiveKeys = 8               // keys of one remote whose replay state is kept
)

// leg is everything that is known about one side: how to receive from its remote and how to send to it. It is owned by
// the session's worker.
type leg struct {
	// What an RTP packet needs stands close together, that of the side it comes from and that of the one it goes to, and at the
	// beginning of latch and count (see warm.go).

	// Receiving. opened[0] has the key in force, opened[1] is the one before it, accepted until oldUntil; the others are
	// kept for their replay state, should their key ever return.
	opened   []opener
	oldUntil time.Duration
	source   source
	trial    *trial // of watch.go; nil: nothing is on trial

	// For both.
	set      bool // Set was called: before it nothing is received or sent
	sealedIn bool
	early    uint16 // packets that are kept until set (see early.go)
	latch    [kinds]latch

	// Sending.
	seal   *srtp.Protect
	out    sender
	remote terms

	count counters

	// What follows is for other things than RTP packets.
	far     far
	reports reporter
	retired []srtp.Key    // every earlier key for sending: if one returns, a new SSRC keeps its key stream from repeating
	work    *srtp.Scratch // the worker's; nil: each key has its own

	// For watch.go.
	receiveBase  [kinds]uint64 // count.received when the key of opened[0] came into force
	sendBase     [kinds]uint64 // count.sent when the key for sending did
	agedTold     [2]bool       // EventLifetime was told of the key for receiving, of the one for sending
	outlivedTold bool          // EventOutlived was
}

// terms are what is kept of a Remote; its addresses are the latches'.
type terms struct {
	mux, hold, mute       bool
	noRTCP                bool
	receive, send         *srtp.Key
	receiveLife, sendLife uint64
}

// opener is a key that the remote has encrypted with.
type opener struct {
	key     srtp.Key
	context *srtp.Unprotect
	used    uint64          // packets in earlier terms of the key
	counted srtp.Recoveries // those already in the leg's counters
}

// counters are a leg's figures.
type counters struct {
	received, sent           [kinds]uint64
	receivedBytes, sentBytes uint64
	first, last, firstSent   time.Duration // since the relay's start; valid once received[rtp] or sent[rtp] is not 0
	drops                    Drops
	recovered                srtp.Recoveries
}

// apply takes what signaling says about the remote. An error changes nothing. random is used for a new SSRC when an old
// key returns.
func (l *leg) apply(r Remote, other *leg, random [32]byte, now time.Duration) error {
	if err := reuses(r, other); err != nil {
		return err
	}
	var seal *srtp.Protect
	sameSend := sameKey(r.Send, l.remote.send)
	if !sameSend && r.Send != nil {
		var err error
		if seal, err = srtp.NewProtect(*r.Send, l.work); err != nil {
			return err
		}
	}
	if err := l.applyReceive(r.Receive, now); err != nil {
		return err
	}
	if !sameSend {
		l.applySend(r.Send, seal, random)
	}
	r.RTP, r.RTCP = unmapped(r.RTP), unmapped(r.RTCP)
	l.latch[rtp].signal(r.RTP, r.From.Unmap())
	l.latch[rtcp].signal(r.RTCP, r.From.Unmap())
	l.remote = terms{mux: r.Mux, hold: r.Hold, mute: r.Mute, noRTCP: r.NoRTCP, receive: r.Receive, send: r.Send, receiveLife: r.ReceiveLife, sendLife: r.SendLife}
	l.set, l.source.paused = true, true
	return nil
}

// reuses refuses a key for sending that somebody else already encrypts with: two parties under one key are one SSRC
// collision away from reusing key stream (RFC 3711 section 9.1), and an echoed key is a sign of a confused answer.
func reuses(r Remote, other *leg) error {
	if r.Send == nil {
		return nil
	}
	for _, k := range []*srtp.Key{r.Receive, other.remote.receive, other.remote.send} {
		if k != nil && sameMaster(*r.Send, *k) {
			return ErrKeyReuse
		}
	}
	return nil
}

// applyReceive puts the key in front of l.opened. A key that is there already keeps its context, ROC and replay state.
func (l *leg) applyReceive(k *srtp.Key, now time.Duration) error {
	if k == nil {
		l.sealedIn = false
		return nil
	}
	for i := range l.opened {
		if !l.opened[i].key.Equal(*k) {
			continue
		}
		l.opened[i].context.AllowRestart() // some senders begin to count anew with each offer
		if i > 0 {
			l.turn()
			o := l.opened[i]
			copy(l.opened[1:i+1], l.opened[:i])
			l.opened[0], l.oldUntil = o, now+oldKeyGrace
		}
		l.sealedIn = true
		return nil
	}
	context, err := srtp.NewUnprotect(*k, l.work)
	if err != nil {
		return err
	}
	if len(l.opened) > 0 {
		context.Follow(l.opened[0].context)
	}
	l.turn()
	l.opened = append([]opener{{key: *k, context: context}}, l.opened[:min(len(l.opened), maxReceiveKeys-1)]...)
	if l.sealedIn {
		l.oldUntil = now + oldKeyGrace
	}
	l.sealedIn = true
	return nil
}

// applySend replaces the key for sending. SSRC, sequence numbers and timestamps go on.
func (l *leg) applySend(k *srtp.Key, seal *srtp.Protect, random [32]byte) {
	if l.remote.send != nil {
		l.retired = append(l.retired, *l.remote.send)
	}
	l.seal, l.sendBase, l.agedTold[1] = seal, l.count.sent, false
	if k == nil {
		return
	}
	for _, old := range l.retired {
		if sameMaster(old, *k) {
			fresh := newSender(random)
			l.out.ssrc, l.out.packets, l.out.octets = fresh.ssrc, 0, 0
			l.sendBase = [kinds]uint64{} // how much of it went in its earlier terms is not kept: all, to be safe
			return
		}
	}
}

// sendTo returns the address for a kind of packet and the port of ours from which it goes (RFC 5761).
func (l *leg) sendTo(k kind) (netip.AddrPort, kind) {
	if l.remote.mux {
		k = rtp
	}
	return l.latch[k].target(), k
}

// recovered moves what the context recovered since the last look into the counters and returns it.
func (l *leg) recovered(o *opener) (fresh srtp.Recoveries) {
	all := o.context.Recoveries()
	if all == o.counted {
		return fresh
	}
	for i := range all {
		fresh[i] = all[i] - o.counted[i]
		l.count.recovered[i] += fresh[i]
	}
	o.counted = all
	return fresh
}

// countReceived counts a packet that passed all checks of its own side. bytes are those of its UDP payload.
func (l *leg) countReceived(k kind, bytes int, now time.Duration) {
	if k == rtp {
		if l.count.received[rtp] == 0 {
			l.count.first = now
		}
		l.count.last = now
	}
	l.count.received[k]++
	l.count.receivedBytes += uint64(bytes)
}

// countSent counts a packet that the socket took. bytes are those of its UDP payload, payload those of an RTP packet that
// sender reports count.
func (l *leg) countSent(k kind, bytes, payload int, now time.Duration) {
	if k == rtp {
		if l.count.sent[rtp] == 0 {
			l.count.firstSent = now
		}
		l.out.sent(payload)
		if l.out.awaited {
			l.out.awaited, l.out.deliveredAt = false, now
		}
	}
	l.count.sent[k]++
	l.count.sentBytes += uint64(bytes)
}

func sameKey(a, b *srtp.Key) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

// sameMaster reports whether two keys can make the same key stream: suites that differ in the length of their tag alone
// derive the same session keys.
func sameMaster(a, b srtp.Key) bool { return subtle.ConstantTimeCompare(a.Master, b.Master) == 1 }

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
