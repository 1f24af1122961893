package media

import (
	"errors"
	"testing"

	pion "github.com/pion/srtp/v2"

	"callseal/media/srtp"
)

// TestRekey: re-offers with the same key, with a new one, and with an old one again, lose nothing; late packets under
// the old key pass for two seconds; SSRC and sequence numbers go on.
func TestRekey(t *testing.T) {
	now := &fakeClock{}
	r := startRelay(t, Config{Clock: now.Now})
	s, a, b := call(t, r, true, true)
	a.say("1")
	first := b.hears("1")
	next := func(text string) {
		t.Helper()
		packet := b.hears(text)
		if seqOf(packet) != seqOf(first)+1 || ssrcOf(packet) != ssrcOf(first) {
			t.Fatalf("sequence %d after %d, SSRC %x after %x", seqOf(packet), seqOf(first), ssrcOf(packet), ssrcOf(first))
		}
		first = packet
	}
	set(t, s, A, a.remote()) // same keys, both ways
	set(t, s, B, b.remote())
	a.say("2")
	next("2")

	late := a.sealed("3, under the old key")
	oldKey, oldSeal := a.send, a.seal
	a.send = newKey(t, profiles[4])
	a.seal = oracle(t, a.send)
	set(t, s, A, a.remote())
	a.write(late)
	next("3, under the old key")
	a.say("4, under the new key")
	next("4, under the new key")
	now.advance(oldKeyGrace)
	tooLate, err := oldSeal.EncryptRTP(nil, a.plain("too late"), nil)
	if err != nil {
		t.Fatal(err)
	}
	a.seq-- // it will not be heard, so it leaves no hole
	a.write(tooLate)
	if got := settled(t, s, A, 5); got.Drops.Of(DropAuth) != 1 {
		t.Errorf("old key after its grace: %v", got.Drops)
	}

	b.expect = newKey(t, profiles[2]) // our own key toward B changes: numbers go on under it
	b.open = oracle(t, b.expect)
	set(t, s, B, b.remote())
	a.say("5")
	next("5")

	a.send = oldKey // an old key returns with its replay state
	set(t, s, A, a.remote())
	a.write(late)
	if got := settled(t, s, A, 7); got.Drops.Of(DropReplay) != 1 {
		t.Errorf("replay under a key that returned: %v", got.Drops)
	}
}

// TestSendKeyReturns: a key that returns for sending gets another SSRC, so that no index is used twice.
func TestSendKeyReturns(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, true)
	old := b.expect
	a.say("1")
	first := b.hears("1")
	b.expect = newKey(t, profiles[0])
	set(t, s, B, b.remote())
	b.expect = old
	set(t, s, B, b.remote())
	a.say("2")
	if packet := b.hears("2"); ssrcOf(packet) == ssrcOf(first) {
		t.Error("the SSRC stayed")
	}
}

// TestSendKeyUnderOtherTag: the master key of two suites that differ in their tags makes the same key stream twice, so it
// gets another SSRC too, and is refused where somebody else encrypts with it.
func TestSendKeyUnderOtherTag(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, true)
	a.say("1")
	first := b.hears("1")
	other := *b.expect
	other.Profile = pion.ProtectionProfileAes128CmHmacSha1_32
	remote := a.remote()
	remote.Send = &other
	if err := s.Set(A, remote); !errors.Is(err, ErrKeyReuse) {
		t.Errorf("the key of the other side: %v", err)
	}
	b.expect, b.open = &other, oracle(t, &other)
	set(t, s, B, b.remote())
	a.say("2")
	if packet := b.hears("2"); ssrcOf(packet) == ssrcOf(first) {
		t.Error("the SSRC stayed")
	}
}

// TestKeyReuse: a key for sending that somebody else encrypts with is refused and changes nothing.
func TestKeyReuse(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, true)
	for name, key := range map[string]*srtp.Key{"its own": a.send, "the other side's": b.send, "ours of the other side": b.expect} {
		remote := a.remote()
		remote.Send = key
		if err := s.Set(A, remote); !errors.Is(err, ErrKeyReuse) {
			t.Errorf("%s: %v", name, err)
		}
	}
	remote := a.remote()
	remote.Receive = &srtp.Key{Profile: profiles[0], Master: []byte("short")}
	if err := s.Set(A, remote); !errors.Is(err, srtp.ErrKeyLength) {
		t.Errorf("short key: %v", err)
	}
	b.say("as before")
	a.hears("as before")
}
