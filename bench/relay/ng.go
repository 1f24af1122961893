package relay

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/srtp/v2"
)

// How an ng request is repeated: the same cookie tells rtpengine that it is the
// same request.
const (
	ngAttempts = 6
	ngWait     = 500 * time.Millisecond
)

// maxDatagram is the longest UDP payload.
const maxDatagram = 65535

// NG drives rtpengine by its ng protocol over UDP: a cookie, a space, a
// bencoded dictionary.
type NG struct {
	conn   *net.UDPConn // closed by Close
	prefix string       // of cookies and Call-IDs
	count  atomic.Uint64
	ended  chan struct{} // closed by receive

	mu      sync.Mutex
	waiting map[string]chan dict // by cookie; each takes one answer
}

// NewNG connects to the daemon at HOST:PORT and asks whether it is there.
func NewNG(ctx context.Context, address string) (*NG, error) {
	remote, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: ng:%s: write ng:HOST:PORT", ErrTarget, address)
	}
	conn, err := net.DialUDP("udp", nil, remote)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	n := &NG{conn: conn, prefix: hex.EncodeToString(random[:]), ended: make(chan struct{}), waiting: map[string]chan dict{}}
	go n.receive() // ends when Close closes conn
	if _, err := n.ask(ctx, dict{"command": "ping"}); err != nil {
		_ = n.Close()
		return nil, fmt.Errorf("ng:%s: %w", address, err)
	}
	return n, nil
}

// Close ends the connection; the daemon goes on.
func (n *NG) Close() error {
	err := n.conn.Close()
	<-n.ended
	return err
}

// receive hands each answer to the request that waits for it.
func (n *NG) receive() {
	defer close(n.ended)
	buf := make([]byte, maxDatagram)
	for {
		size, err := n.conn.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error: the request is repeated
		}
		cookie, body, _ := bytes.Cut(buf[:size], []byte(" "))
		value, err := bdecode(body)
		answer, ok := value.(dict)
		if err != nil || !ok {
			continue
		}
		n.mu.Lock()
		wait := n.waiting[string(cookie)]
		delete(n.waiting, string(cookie))
		n.mu.Unlock()
		if wait != nil {
			wait <- answer
		}
	}
}

// ask sends a request, repeats it until the answer comes, and checks that the
// answer is no error.
func (n *NG) ask(ctx context.Context, request dict) (dict, error) {
	cookie := n.prefix + strconv.FormatUint(n.count.Add(1), 10)
	wait := make(chan dict, 1)
	n.mu.Lock()
	n.waiting[cookie] = wait
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.waiting, cookie)
		n.mu.Unlock()
	}()
	packet := append([]byte(cookie+" "), bencode(request)...)
	again := time.NewTicker(ngWait)
	defer again.Stop()
	for range ngAttempts {
		// A refused packet shows as a write error: the daemon may just be starting.
		_, _ = n.conn.Write(packet)
		select {
		case answer := <-wait:
			if result, _ := answer["result"].(string); result != "ok" && result != "pong" {
				reason, _ := answer["error-reason"].(string)
				return nil, fmt.Errorf("%w: %v: %.200q", ErrRefused, request["command"], reason)
			}
			return answer, nil
		case <-again.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, fmt.Errorf("%w: %v", ErrTimeout, request["command"])
}

// Open offers the first remote's description, answers with the second's.
// rtpengine hands a key through where both sides choose the same suite; the
// second takes its own of those that it is offered.
func (n *NG) Open(ctx context.Context, call uint64, remotes [2]End) (ends [2]End, err error) {
	secure := [2]bool{len(remotes[0].Key) > 0, len(remotes[1].Key) > 0}
	if suiteNames[remotes[0].Suite] == suiteNames[remotes[1].Suite] && secure[0] && secure[1] {
		return ends, fmt.Errorf("%w: rtpengine re-encrypts only between different suites", ErrTarget)
	}
	fail := func(err error) ([2]End, error) {
		_ = n.Shut(context.WithoutCancel(ctx), call) // the first error is the one to tell
		return [2]End{}, err
	}
	request := n.request("offer", call)
	request["sdp"] = describe(call, 1, remotes[0])
	request["transport-protocol"] = map[bool]string{true: "RTP/SAVP", false: "RTP/AVP"}[secure[1]]
	request["SDES"] = without(remotes[0].Suite, remotes[1].Suite)
	answer, err := n.ask(ctx, request)
	if err != nil {
		return fail(err)
	}
	text, _ := answer["sdp"].(string)
	var tag int
	if ends[1], tag, err = readEnd(text, remotes[1].Suite, secure[1]); err != nil {
		return fail(fmt.Errorf("offer: %w", err))
	}
	request = n.request("answer", call)
	request["to-tag"] = "b"
	request["sdp"] = describe(call, tag, remotes[1])
	if answer, err = n.ask(ctx, request); err != nil {
		return fail(err)
	}
	text, _ = answer["sdp"].(string)
	if ends[0], _, err = readEnd(text, remotes[0].Suite, secure[0]); err != nil {
		return fail(fmt.Errorf("answer: %w", err))
	}
	if sameKey(ends[0].Key, remotes[1].Key) || sameKey(ends[1].Key, remotes[0].Key) {
		return fail(fmt.Errorf("%w: a key was handed through: nothing would be re-encrypted", ErrAnswer))
	}
	return ends, nil
}

// Shut deletes the call at once.
func (n *NG) Shut(ctx context.Context, call uint64) error {
	request := n.request("delete", call)
	request["delete-delay"] = int64(0)
	_, err := n.ask(ctx, request)
	return err
}

func (n *NG) request(command string, call uint64) dict {
	return dict{
		"command": command, "call-id": fmt.Sprintf("%s-%d", n.prefix, call), "from-tag": "a",
		"ICE": "remove", "DTLS": "off", "flags": []any{"trust-address"},
		"replace": []any{"origin", "session-connection"}, "rtcp-mux": []any{"demux"},
	}
}

// without names all suites but those that are kept: a suite that is ruled out
// for the second remote is ignored in the first one's offer, too.
func without(keep ...srtp.ProtectionProfile) []any {
	out := []any{ // those that only rtpengine knows
		"no-AES_192_CM_HMAC_SHA1_80", "no-AES_192_CM_HMAC_SHA1_32", "no-F8_128_HMAC_SHA1_80", "no-F8_128_HMAC_SHA1_32",
		"no-NULL_HMAC_SHA1_80", "no-NULL_HMAC_SHA1_32",
	}
	for suite, name := range suiteNames {
		if !slices.Contains(keep, suite) {
			out = append(out, "no-"+name)
		}
	}
	return out
}
