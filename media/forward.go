package media

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"callseal/media/srtp"
)

const (
	maxPacket = 2048 // bytes of UDP payload that are relayed; audio needs a tenth
	tagRoom   = 64   // bytes that protection may add
	bufSize   = maxPacket + tagRoom
)

// forwarder is one direction of a session: what comes from one side's remote and goes to the other's. It does no I/O
// and knows no clock: packet is a pure function of its two legs, its arguments and ahead, but for the tag of a sealed packet, which
// may wait (see srtp.Scratch.Hold).
//
// The functions below stand in the order in which a packet meets them.
type forwarder struct {
	from, to *leg
	space    []byte      // bufSize bytes in which RTCP is rewritten
	ahead    *srtp.Ahead // of the packet, from prepare; nil: none
}

// verdict is what became of a packet.
type verdict struct {
	drop      Drop           // DropNone: out goes to target from our port via
	kind      kind           // what the packet was
	out       []byte         // in the given buffer
	target    netip.AddrPort // of the other side's remote
	via       kind           // which of the other side's ports sends it
	payload   int            // bytes behind the fixed header, before it was sealed; RTP only
	recovered srtp.Recoveries
}

// packet relays buf[:n], which came to the given port of f.from from the given address. cap(buf) leaves tagRoom.
func (f *forwarder) packet(buf []byte, n int, port kind, source netip.AddrPort, now time.Duration) (v verdict) {
	if n > maxPacket {
		v.drop = DropLong
		return v
	}
	if v.kind, v.drop = classify(buf[:n]); v.drop != DropNone {
		return v
	}
	switch {
	case port == rtcp && v.kind == rtp:
		v.drop = DropNotRTP
	case !f.from.set:
		v.drop = DropEarly
	case v.kind == rtcp:
		f.rtcp(buf, n, port, source, now, &v)
	default:
		f.rtp(buf, n, source, now, &v)
	}
	return v
}

// prepare lets what opening the packet needs wait in the worker's srtp.Scratch. It changes nothing but f.ahead.
func (f *forwarder) prepare(buf []byte, n int, port kind) {
	if n > maxPacket || port != rtp || !f.from.sealedIn {
		return
	}
	if kind, drop := classify(buf[:n]); kind == rtp && drop == DropNone {
		f.from.opened[0].context.Ahead(buf, n, f.ahead)
	}
}

// rtp takes an RTP packet through both legs.
func (f *forwarder) rtp(buf []byte, n int, source netip.AddrPort, now time.Duration, v *verdict) {
	ssrc, seq, ts := binary.BigEndian.Uint32(buf[8:]), binary.BigEndian.Uint16(buf[2:]), binary.BigEndian.Uint32(buf[4:])
	in := &f.from.latch[rtp]
	received := n
	if f.from.sealedIn {
		if n, v.drop = f.open(buf, n, rtp, now, v); v.drop != DropNone {
			if v.drop == DropAuth && f.from.trial != nil {
				f.from.trial.keep(buf[:n])
			}
			return
		}
	} else if !in.admit(source, f.from.source.continues(ssrc, seq), now) {
		v.drop = DropWrongSource
		return
	}
	f.from.countReceived(rtp, received, now)
	if payloadType := buf[1] & 0x7f; audioType(payloadType) {
		f.from.source.quality.payload = payloadType
	}
	moved := f.from.source.update(ssrc, seq, ts, now)
	if f.from.sealedIn && moved != stepLate {
		in.authentic(source, now)
	}
	if moved == stepFirst {
		f.to.out.resync, f.to.far.before = true, f.to.far.lost
	}
	if moved == stepJump {
		v.drop = DropJump
		return
	}
	f.deliverRTP(buf, n, now, v)
}

// rtcp takes a compound RTCP packet through both legs.
func (f *forwarder) rtcp(buf []byte, n int, port kind, source netip.AddrPort, now time.Duration, v *verdict) {
	in := &f.from.latch[port]
	received := n
	if f.from.sealedIn {
		if n, v.drop = f.open(buf, n, rtcp, now, v); v.drop != DropNone {
			if v.drop != DropReplay && compound(buf[:n]) {
				v.drop = DropClearRTCP
			}
			return
		}
		if port == rtcp {
			in.authentic(source, now)
		}
	} else if !in.admit(source, false, now) && source.Addr() != f.from.latch[rtp].source.Addr() {
		v.drop = DropWrongSource
		return
	}
	f.from.countReceived(rtcp, received, now)
	if n, v.drop = f.rewriteRTCP(buf[:n], f.space, now); v.drop != DropNone {
		return
	}
	f.deliver(buf, copy(buf[:n], f.space), rtcp, v)
}

// open unprotects under the key in force, or for a while under the one before it. A drop leaves n as it was.
func (f *forwarder) open(buf []byte, n int, k kind, now time.Duration, v *verdict) (int, Drop) {
	keys := f.from.opened[:1]
	if len(f.from.opened) > 1 && now < f.from.oldUntil {
		keys = f.from.opened[:2]
	}
	drop := DropAuth
	for i := range keys {
		context := keys[i].context
		plain, err := 0, error(nil)
		if k == rtp {
			plain, err = context.RTPAhead(buf, n, f.ahead)
		} else {
			plain, err = context.RTCP(buf, n)
		}
		if err == nil {
			v.recovered = f.from.recovered(&keys[i])
			return plain, DropNone
		}
		if i == 0 || !errors.Is(err, srtp.ErrAuth) {
			drop = openDrop(err)
		}
	}
	return n, drop
}

// openDrop names the cause for which a packet was not opened.
func openDrop(err error) Drop {
	switch {
	case errors.Is(err, srtp.ErrAuth):
		return DropAuth
	case errors.Is(err, srtp.ErrReplay):
		return DropReplay
	case errors.Is(err, srtp.ErrClear):
		return DropUnencrypted
	case errors.Is(err, srtp.ErrStreams):
		return DropStreams
	}
	return DropShort // ErrShort: no room for a tag
}

// deliverRTP numbers the packet as ours and hands it on.
func (f *forwarder) deliverRTP(buf []byte, n int, now time.Duration, v *verdict) {
	to := f.to
	target, _ := to.sendTo(rtp)
	switch {
	case !to.set || !target.IsValid() && !to.remote.hold:
		v.drop = DropNoRoute
	case to.remote.hold:
		v.drop = DropHeld
	case !to.out.renumber(buf, f.from.source.rate, now):
		v.drop = DropLate
	default:
		v.payload = n - rtpHeader
		f.deliver(buf, n, rtp, v)
		return
	}
	if v.drop != DropLate {
		to.out.resync = true // what is kept back leaves no hole: the stream goes on right behind its last packet
	}
}

// deliver protects buf[:n] for the other side, if that side is sealed, and names the way out. Nothing leaves in the
// clear on a side with a key, and nothing at all before the side was set.
func (f *forwarder) deliver(buf []byte, n int, k kind, v *verdict) {
	to := f.to
	if v.target, v.via = to.sendTo(k); !to.set || !v.target.IsValid() {
		v.drop = DropNoRoute
		return
	}
	if k == rtcp && to.remote.noRTCP {
		v.drop = DropUnwanted
		return
	}
	if to.remote.send != nil {
		var err error
		if k == rtp {
			n, err = to.seal.RTP(buf, n)
		} else {
			n, err = to.seal.RTCP(buf, n)
		}
		if err != nil {
			v.drop = sealDrop(err)
			return
		}
	}
	v.out = buf[:n]
}

// sealDrop names the cause for which a packet was not protected.
func sealDrop(err error) Drop {
	switch {
	case errors.Is(err, srtp.ErrReplay):
		return DropDuplicate
	case errors.Is(err, srtp.ErrIndex), errors.Is(err, srtp.ErrStreams):
		return DropExhausted
	}
	return DropHeader // nothing else can be: the header was checked and there is room
}
