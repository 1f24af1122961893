package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"callseal/media/srtp"
	"callseal/sdp"
)

// ear is our end of the audio.
type ear struct {
	conn  *net.UDPConn
	local netip.AddrPort
}

// heard is what arrived.
type heard struct {
	good, wrong, plain int
	first              time.Duration // from the answer to the first good packet
}

// listen binds a port; that above it is not used: a probe sends no RTCP.
func listen(a netip.Addr) (*ear, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		return nil, err
	}
	return &ear{conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()}, nil
}

func (e *ear) close() { _ = e.conn.Close() } // nothing of it is used any more

// The audio that is sent: silence, 20 ms a packet.
const (
	packetTime = 20 * time.Millisecond
	packetSize = 160
	headerSize = 12
	maxTag     = 32
)

// exchange sends silence and counts what comes, for a while or until ctx ends.
func (e *ear) exchange(ctx context.Context, s sdp.Stream, ours *sdp.Crypto, within time.Duration) (heard, error) {
	var seal *srtp.Protect
	var open *srtp.Unprotect
	if s.Secure {
		if ours == nil {
			return heard{}, errors.New("the answer names none of our keys")
		}
		var err error
		if seal, err = srtp.NewProtect(srtp.Key{Profile: ours.Suite, Master: ours.Key}, nil); err != nil {
			return heard{}, err
		}
		if open, err = srtp.NewUnprotect(srtp.Key{Profile: s.Crypto.Suite, Master: s.Crypto.Key, MKI: s.Crypto.MKILen}, nil); err != nil {
			return heard{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	spoken := make(chan struct{}) // closed by speak
	go func() {
		defer close(spoken)
		e.speak(ctx, s, seal)
	}()
	h := e.hear(ctx, open)
	cancel()
	<-spoken
	return h, nil
}

// speak sends until ctx ends. A packet that the system refuses is like one that
// is lost.
func (e *ear) speak(ctx context.Context, s sdp.Stream, seal *srtp.Protect) {
	silence, payload := byte(0xff), byte(0) // PCMU
	if len(s.Payloads) > 0 && s.Payloads[0] == 8 {
		silence, payload = 0xd5, 8 // PCMA
	}
	buf := make([]byte, headerSize+packetSize, headerSize+packetSize+maxTag)
	var start [10]byte
	_, _ = rand.Read(start[:]) // never fails
	seq, stamp := binary.BigEndian.Uint16(start[:])&0x7fff, binary.BigEndian.Uint32(start[2:])
	tick := time.NewTicker(packetTime)
	defer tick.Stop()
	for {
		buf = buf[:headerSize+packetSize]
		buf[0], buf[1] = 0x80, payload
		binary.BigEndian.PutUint16(buf[2:], seq)
		binary.BigEndian.PutUint32(buf[4:], stamp)
		copy(buf[8:headerSize], start[6:])
		for i := headerSize; i < len(buf); i++ {
			buf[i] = silence
		}
		n := len(buf)
		if seal != nil {
			var err error
			if n, err = seal.RTP(buf, n); err != nil {
				return
			}
		}
		_, _ = e.conn.WriteToUDPAddrPort(buf[:n], s.RTP)
		seq, stamp = seq+1, stamp+packetSize
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// hear counts until ctx ends.
func (e *ear) hear(ctx context.Context, open *srtp.Unprotect) (h heard) {
	began := time.Now()
	unwatch := context.AfterFunc(ctx, func() { _ = e.conn.SetReadDeadline(time.Now()) })
	defer unwatch()
	buf := make([]byte, 2048)
	for {
		n, _, err := e.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed):
			return h
		case err != nil: // an ICMP refusal of what we sent
			if ctx.Err() != nil {
				return h
			}
			continue
		case n < headerSize || buf[0]>>6 != 2:
			continue
		case open != nil:
			if _, err := open.RTP(buf, n); err != nil {
				if looksPlain(buf[:n]) {
					h.plain++
				} else {
					h.wrong++
				}
				continue
			}
		}
		if h.good == 0 {
			h.first = time.Since(began)
		}
		h.good++
	}
}

// looksPlain tells a packet of G.711 without a tag by its length.
func looksPlain(packet []byte) bool {
	return (len(packet)-headerSize)%80 == 0 && packet[0]&0x3f == 0
}
