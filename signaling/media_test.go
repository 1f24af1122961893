package signaling

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"callseal/media"
	"callseal/signaling/trunk"
)

// mediaClock is the relay's clock, which the test moves.
type mediaClock struct {
	mu     sync.Mutex
	passed time.Duration
}

func (c *mediaClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Unix(0, 0).Add(c.passed)
}

func (c *mediaClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed += d
}

// wantLog waits for a line of the log.
func (f *fixture) wantLog(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(f.logs.String(), want); time.Sleep(5 * time.Millisecond) { // the relay looks twice a second
		if time.Now().After(deadline) {
			t.Fatalf("no %q in the log", want)
		}
	}
}

// TestDeadMediaEndsTheCall: a call of which one side sends no audio is named within 3 s, and hung up on both sides,
// with the reason, when it was silent for as long as the limit says.
func TestDeadMediaEndsTheCall(t *testing.T) {
	clock := &mediaClock{}
	f := newFixtureOn(t, media.Config{Ports: media.PortRange{Min: 42000, Max: 42399}, Workers: 1, Silence: 30 * time.Second, Clock: clock.now}, nil)
	f.answered(1)
	clock.advance(3 * time.Second)
	f.wantLog(t, `msg="one-way audio: nothing of dialer1 is heard"`)
	f.wantLog(t, `msg="one-way audio: nothing of telco is heard"`)
	clock.advance(27 * time.Second)
	byeA, byeB := f.dialer.want("BYE "), f.carrier.want("BYE ")
	for _, bye := range []message{byeA, byeB} {
		if got := bye.header("Reason"); !strings.Contains(got, `text="SBC no audio from `) {
			t.Errorf("Reason %q", got)
		}
	}
	f.dialer.answer(byeA, "200 OK", "", "", "")
	f.carrier.answer(byeB, "200 OK", "", "", "")
	f.wantIdle(t)
	if line := regexp.MustCompile(`msg="call ended".*`).FindString(f.logs.String()); !strings.Contains(line, `one_way="dialer1:nothing_came telco:nothing_came"`) ||
		!strings.Contains(line, "ended_by=callseal") {
		t.Errorf("the call's line: %s", line)
	}
}

// TestMutedPhone: who sends nothing, not even RTCP, while the other side is heard is asked in the call, again and again, and stays in it as long as
// it answers.
func TestMutedPhone(t *testing.T) {
	clock := &mediaClock{}
	f := newFixtureOn(t, media.Config{Ports: media.PortRange{Min: 42000, Max: 42399}, Workers: 1, Silence: 30 * time.Second, Clock: clock.now}, nil)
	caller := newRemote(t, "the caller's audio", dialerIP)
	f.dialer.send(f.invite(1, "", strings.ReplaceAll(offer, "30000", strconv.Itoa(int(caller.addr().Port())))))
	invite := f.carrier.want("INVITE ")
	muted := newRemote(t, "the carrier's audio", carrierIP)
	f.carrier.answer(invite, "200 OK", "carriertag", "Content-Type: application/sdp\n", strings.ReplaceAll(answerSDP, "31000", strconv.Itoa(int(muted.addr().Port()))))
	f.carrier.want("ACK ")
	ok := f.dialer.want("SIP/2.0 200")
	f.dialer.send(f.inDialog("ACK", 102, 1, ok))
	packet := []byte("\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07audio")
	speak := func() {
		packet[3]++
		if _, err := caller.conn.WriteToUDPAddrPort(packet, mediaOf(t, ok)); err != nil {
			t.Fatal(err)
		}
		muted.packet()
	}
	for i := range 3 {
		clock.advance(29 * time.Second)
		speak()
		clock.advance(time.Second)
		answer := "200 OK"
		if i == 2 {
			answer = "481 Call Transaction Does Not Exist"
		}
		f.carrier.answer(f.carrier.want("OPTIONS "), answer, "", "", "")
	}
	byeA, byeB := f.dialer.want("BYE "), f.carrier.want("BYE ")
	f.dialer.answer(byeA, "200 OK", "", "", "")
	f.carrier.answer(byeB, "200 OK", "", "", "")
	f.wantIdle(t)
	if n := f.counted(t, "callseal_silent_legs_alive_total"); n != 2 {
		t.Errorf("answered %v times", n)
	}
}

// TestAudioOvertakesTheAnswer: what the carrier says before its 200, and at once with it, reaches the dialer whole and in order: AMD
// wants the first words (RFC 3264 section 5.1).
func TestAudioOvertakesTheAnswer(t *testing.T) {
	clock := &mediaClock{}
	f := newFixtureOn(t, media.Config{Ports: media.PortRange{Min: 42000, Max: 42399}, Workers: 1, Clock: clock.now}, nil)
	caller := newRemote(t, "the caller's audio", dialerIP)
	f.dialer.send(f.invite(1, "", strings.ReplaceAll(offer, "30000", strconv.Itoa(int(caller.addr().Port())))))
	invite := f.carrier.want("INVITE ")
	callee := newRemote(t, "the carrier's audio", carrierIP)
	speak := func(from, to int) {
		for i := from; i < to; i++ {
			if _, err := callee.conn.WriteToUDPAddrPort(fmt.Appendf(nil, "\x80\x00\x00%c\x00\x00\x00\x00\x00\x00\x00\x07word %d", i, i), mediaOf(t, invite)); err != nil {
				t.Fatal(err)
			}
		}
	}
	speak(0, 2)
	f.carrier.answer(invite, "200 OK", "carriertag", "Content-Type: application/sdp\n", strings.ReplaceAll(answerSDP, "31000", strconv.Itoa(int(callee.addr().Port()))))
	speak(2, 22)
	f.carrier.want("ACK ")
	ok := f.dialer.want("SIP/2.0 200")
	f.dialer.send(f.inDialog("ACK", 102, 1, ok))
	for i := range 22 {
		if got, want := string(caller.packet()), fmt.Sprintf("word %d", i); got != want {
			t.Fatalf("heard %q, want %q", got, want)
		}
	}
	f.hangUp(t, 1, ok)
}

// TestPortExhaustion: without media ports a call is refused at once, in words that name the cause, and the next one
// goes through when there are some again.
func TestPortExhaustion(t *testing.T) {
	f := newFixtureOn(t, media.Config{Ports: media.PortRange{Min: 42400, Max: 42403}, Workers: 1, Rest: time.Millisecond}, nil)
	ok, _ := f.answered(1)
	f.refusedAtOnce(t, 2, "SIP/2.0 503 SBC out of media ports")
	f.hangUp(t, 1, ok)
	time.Sleep(2 * time.Millisecond) // the ports rest
	ok, _ = f.answered(20)
	f.hangUp(t, 20, ok)
}

// refusedAtOnce fails unless calls are refused so within 10 ms. The fastest of a few counts: the machine may be busy
// with other tests.
func (f *fixture) refusedAtOnce(t *testing.T, n int, want string) {
	t.Helper()
	fastest := time.Hour
	for i := range 10 {
		begun := time.Now()
		f.dialer.send(f.invite(n+i, "", offer))
		for refusal := f.dialer.want(want); !strings.Contains(refusal.header("Call-ID"), fmt.Sprintf("dialercall%d@", n+i)); {
			refusal = f.dialer.want(want) // another call's, again
		}
		fastest = min(fastest, time.Since(begun))
	}
	if t.Logf("refused after %v", fastest); fastest > 10*time.Millisecond {
		t.Errorf("refused after %v", fastest)
	}
}

// TestDescriptorExhaustion: the same without file descriptors.
func TestDescriptorExhaustion(t *testing.T) {
	f := newFixture(t, nil)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	}
	defer restore()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	f.refusedAtOnce(t, 1, "SIP/2.0 503 SBC out of file descriptors")
	restore()
	ok, _ := f.answered(20)
	f.hangUp(t, 20, ok)
}

// TestAudioBehindNAT: a carrier that writes a private address into its SDP is heard from the address that its
// signaling comes from.
func TestAudioBehindNAT(t *testing.T) {
	f := newFixture(t, nil)
	caller, behind := newRemote(t, "the caller's audio", dialerIP), newRemote(t, "the carrier's audio", carrierIP)
	f.dialer.send(f.invite(1, "", strings.ReplaceAll(offer, "30000", strconv.Itoa(int(caller.addr().Port())))))
	invite := f.carrier.want("INVITE ")
	f.carrier.answer(invite, "200 OK", "carriertag", "Content-Type: application/sdp\n", strings.ReplaceAll(answerSDP, carrierIP, "192.168.7.7"))
	f.carrier.want("ACK ")
	ok := f.dialer.want("SIP/2.0 200")
	f.dialer.send(f.inDialog("ACK", 102, 1, ok))
	packet := []byte("\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x07audio")
	if _, err := behind.conn.WriteToUDPAddrPort(packet, mediaOf(t, invite)); err != nil {
		t.Fatal(err)
	}
	_ = caller.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 100)
	if n, _, err := caller.conn.ReadFromUDPAddrPort(buf); err != nil || string(buf[12:n]) != "audio" {
		t.Errorf("the caller hears %q, %v", buf[:n], err)
	}
	f.hangUp(t, 1, ok)
}

// mediaOf is where a description wants its audio.
func mediaOf(t testing.TB, m message) netip.AddrPort {
	t.Helper()
	found := regexp.MustCompile(`(?s)c=IN IP4 (\S+).*m=audio (\d+) `).FindStringSubmatch(m.body())
	if found == nil {
		t.Fatalf("no audio in %q", m.body())
	}
	return netip.MustParseAddrPort(found[1] + ":" + found[2])
}

// hangUp ends call n from the dialer's side.
func (f *fixture) hangUp(t *testing.T, n int, ok message) {
	t.Helper()
	f.dialer.send(f.inDialog("BYE", 103, n, ok))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.dialer.want("SIP/2.0 200")
	f.wantIdle(t)
}

// TestMediaAddressOfATrunk: a trunk's own media address, of another IP version than the caller's, is bound and shown to
// it alone, and audio crosses between IPv4 and IPv6.
func TestMediaAddressOfATrunk(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.Table.Trunks[1].Audio = trunk.Audio{Bind: netip.IPv6Loopback(), Show: netip.MustParseAddr("2001:db8::9")}
	})
	caller, far := newRemote(t, "the caller's audio", dialerIP), newRemote(t, "the carrier's audio", "::1")
	f.dialer.send(f.invite(1, "", strings.ReplaceAll(offer, "30000", strconv.Itoa(int(caller.addr().Port())))))
	invite := f.carrier.want("INVITE ")
	shown := regexp.MustCompile(`(?s)c=IN IP6 2001:db8::9\r\n.*m=audio (\d+) `).FindStringSubmatch(invite.body())
	if shown == nil || strings.Contains(invite.body(), mediaIP) {
		t.Fatalf("the carrier is shown %q", invite.body())
	}
	answer := strings.ReplaceAll(strings.ReplaceAll(answerSDP, "IN IP4 "+carrierIP, "IN IP6 ::1"), "31000", strconv.Itoa(int(far.addr().Port())))
	f.carrier.answer(invite, "200 OK", "carriertag", "Content-Type: application/sdp\n", answer)
	f.carrier.want("ACK ")
	ok := f.dialer.want("SIP/2.0 200")
	f.dialer.send(f.inDialog("ACK", 102, 1, ok))
	if at := mediaOf(t, ok); at.Addr() != netip.MustParseAddr(mediaIP) {
		t.Errorf("the dialer is shown %v", at)
	}
	for _, way := range []struct {
		from *remote
		to   netip.AddrPort
		ends *remote
	}{
		{caller, mediaOf(t, ok), far},
		{far, netip.MustParseAddrPort("[::1]:" + shown[1]), caller},
	} {
		if _, err := way.from.conn.WriteToUDPAddrPort([]byte("\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x07"+way.from.name), way.to); err != nil {
			t.Fatal(err)
		}
		if got := string(way.ends.packet()); got != way.from.name {
			t.Errorf("%s hears %q", way.ends.name, got)
		}
	}
	f.hangUp(t, 1, ok)
}

// reoffer is a re-INVITE of the carrier with its audio in a direction; the dialer answers in its own.
func (f *fixture) reoffer(invite message, seq int, theirs, ours string) {
	head := "%s sip:x@" + f.Addr("carriers").String() + " SIP/2.0\nVia: SIP/2.0/UDP " + f.carrier.addr().String() + ";branch=z9hG4bKhold%d%s;rport\nMax-Forwards: 70\nFrom: " +
		invite.header("To") + ";tag=carriertag\nTo: " + invite.header("From") + "\nCall-ID: " + invite.header("Call-ID") + "\nCSeq: %d %s\n"
	body := strings.ReplaceAll(answerSDP, "o=carrier-user 2 1", fmt.Sprintf("o=carrier-user 2 %d", seq+1)) + "a=" + theirs + "\n"
	f.carrier.send(fmt.Sprintf(head, "INVITE", seq, "", seq, "INVITE") + fmt.Sprintf("Contact: <sip:b@%s>\nContent-Type: application/sdp\n\n", f.carrier.addr()) + body)
	again := f.dialer.want("INVITE ")
	f.dialer.answer(again, "200 OK", "", "Content-Type: application/sdp\n", strings.ReplaceAll(offer, "user 1 1", fmt.Sprintf("user 1 %d", seq+1))+"a="+ours+"\n")
	f.dialer.want("ACK ")
	f.carrier.want("SIP/2.0 200")
	f.carrier.send(fmt.Sprintf(head, "ACK", seq, "ack", seq, "ACK") + "\n")
}

// TestSilenceOnHold: a call on hold may be silent for as long as it likes; who sends nothing when the hold ends is named
// within 3 s.
func TestSilenceOnHold(t *testing.T) {
	clock := &mediaClock{}
	f := newFixtureOn(t, media.Config{Ports: media.PortRange{Min: 42000, Max: 42399}, Workers: 1, Silence: 30 * time.Second, Clock: clock.now}, nil)
	ok, invite := f.answered(1)
	f.dialer.send(f.inDialog("OPTIONS", 103, 1, ok)) // once this has crossed, the ACK has come
	f.carrier.answer(f.carrier.want("OPTIONS "), "200 OK", "", "", "")
	f.dialer.want("SIP/2.0 200")
	f.reoffer(invite, 1, "sendonly", "recvonly")
	clock.advance(time.Hour)
	f.reoffer(invite, 2, "sendrecv", "sendrecv")
	clock.advance(3 * time.Second)
	f.wantLog(t, "leg=dialer1 cause=nothing_after_hold")
	f.wantLog(t, "leg=telco cause=nothing_after_hold")
	if strings.Contains(f.logs.String(), "no audio from") {
		t.Error("ended for silence")
	}
	f.dialer.send(f.inDialog("BYE", 104, 1, ok))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.dialer.want("SIP/2.0 200")
	f.wantIdle(t)
}
