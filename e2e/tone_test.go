package e2e

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// tone is a party's frequency in Hz. None is a multiple of another, so that no harmonic is taken for a party.
type tone int

const (
	phoneTone   tone = 430
	dialerTone  tone = 710
	carrierTone tone = 1130
	earlyTone   tone = 1570 // what a carrier plays before it answers
	holdTone    tone = 1990 // the music of an Asterisk
)

var tones = []tone{phoneTone, dialerTone, carrierTone, earlyTone, holdTone}

const sampleRate = 8000

// share is the part of the samples' energy that stands at the tone's frequency, 0 to 1 (Goertzel).
func (f tone) share(samples []int16) float64 {
	coefficient := 2 * math.Cos(2*math.Pi*float64(f)/sampleRate)
	var s1, s2, energy float64
	for _, sample := range samples {
		s := float64(sample) + coefficient*s1 - s2
		s2, s1 = s1, s
		energy += float64(sample) * float64(sample)
	}
	if energy < float64(len(samples))*100 { // silence: below -70 dB
		return 0
	}
	return (s1*s1 + s2*s2 - coefficient*s1*s2) * 2 / (energy * float64(len(samples)))
}

// heard is for how long the tone is the main part of what was recorded, in steps of 100 ms.
func (f tone) heard(samples []int16) time.Duration {
	const window = sampleRate / 10
	var total time.Duration
	for ; len(samples) >= window; samples = samples[window:] {
		if f.share(samples[:window]) > 0.5 {
			total += 100 * time.Millisecond
		}
	}
	return total
}

// wantTone asserts that a recording holds the tone for at least that long, and no other party's.
func wantTone(t *testing.T, path string, want tone, atLeast time.Duration, others ...tone) {
	t.Helper()
	samples := readWAV(t, path)
	if got := want.heard(samples); got < atLeast {
		t.Errorf("%s: %d Hz heard for %v of %.1f s, want at least %v", filepath.Base(path), want, got, float64(len(samples))/sampleRate, atLeast)
	}
	for _, f := range tones {
		if got := f.heard(samples); f != want && got > 100*time.Millisecond && !slices.Contains(others, f) {
			t.Errorf("%s: %d Hz heard for %v, want only %d Hz", filepath.Base(path), f, got, want)
		}
	}
}

// order is the tones of a recording one after the other. What lasts for less than 300 ms, and silence, part nothing.
func order(samples []int16) (heard []tone) {
	const window = sampleRate / 10
	var last tone
	for n := 0; len(samples) >= window; samples = samples[window:] {
		now := tone(0)
		for _, f := range tones {
			if f.share(samples[:window]) > 0.5 {
				now = f
			}
		}
		if n++; now != last {
			last, n = now, 1
		}
		if n == 3 && now != 0 && (len(heard) == 0 || heard[len(heard)-1] != now) {
			heard = append(heard, now)
		}
	}
	return heard
}

// wantOrder asserts that a recording holds these tones one after the other, and no other.
func wantOrder(t *testing.T, path string, want ...tone) {
	t.Helper()
	if got := order(readWAV(t, path)); !slices.Equal(got, want) {
		t.Errorf("%s: heard %d Hz, want %d", filepath.Base(path), got, want)
	}
}

// play is the tone's samples.
func (f tone) play(length time.Duration) []int16 {
	samples := make([]int16, int(length.Seconds()*sampleRate))
	for i := range samples {
		samples[i] = int16(9000 * math.Sin(2*math.Pi*float64(f)*float64(i)/sampleRate))
	}
	return samples
}

// muLaw is the tone in G.711.
func (f tone) muLaw(length time.Duration) (payload []byte) {
	for _, sample := range f.play(length) {
		nearest := byte(0)
		for b := range 256 {
			if distance(sample, muLaw(byte(b))) < distance(sample, muLaw(nearest)) {
				nearest = byte(b)
			}
		}
		payload = append(payload, nearest)
	}
	return payload
}

func distance(a, b int16) int { return max(int(a)-int(b), int(b)-int(a)) }

// writeWAV makes a recording of the tone, 8 kHz mono.
func writeWAV(t *testing.T, path string, f tone, length time.Duration) string {
	t.Helper()
	samples := f.play(length)
	n := len(samples)
	b := make([]byte, 0, 44+2*n)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(36+2*n))
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	for _, v := range []uint16{1, 1, sampleRate, 0, 2 * sampleRate, 0, 2, 16} { // PCM, mono, rates as low and high half
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(2*n))
	for _, sample := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(sample))
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// readWAV is the samples of a finished 16-bit recording, its first channel.
func readWAV(t *testing.T, path string) []int16 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	channels := 1
	for at := 12; at+8 <= len(b); {
		size := int(binary.LittleEndian.Uint32(b[at+4:]))
		body := b[at+8:]
		switch string(b[at : at+4]) {
		case "fmt ":
			channels = int(binary.LittleEndian.Uint16(body[2:]))
			if rate := binary.LittleEndian.Uint32(body[4:]); rate != sampleRate {
				t.Fatalf("%s: %d Hz, want %d", path, rate, sampleRate)
			}
		case "data":
			body = body[:min(size, len(body))]
			samples := make([]int16, 0, len(body)/2/channels)
			for ; len(body) >= 2*channels; body = body[2*channels:] {
				samples = append(samples, int16(binary.LittleEndian.Uint16(body)))
			}
			return samples
		}
		at += 8 + size
	}
	t.Fatalf("%s: no samples in %d bytes", path, len(b))
	return nil
}

// wavFor waits for the only recording whose name matches, and until it has stopped growing: a recording is judged after hang-up.
func wavFor(t *testing.T, pattern string) string {
	t.Helper()
	var path string
	var size int64
	eventually(t, "a finished recording "+pattern, func() bool {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 {
			return false
		}
		info, err := os.Stat(found[len(found)-1])
		if err != nil {
			return false
		}
		same := path == found[len(found)-1] && size == info.Size() && size > 44
		path, size = found[len(found)-1], info.Size()
		if !same {
			time.Sleep(200 * time.Millisecond) // Asterisk and baresip write at least every 20 ms while a call is up
		}
		return same
	})
	return path
}

func TestToneIsFoundAmongOthers(t *testing.T) {
	for _, f := range tones {
		path := writeWAV(t, filepath.Join(t.TempDir(), "tone.wav"), f, 2*time.Second)
		wantTone(t, path, f, 2*time.Second)
	}
}

func TestTonesInOrder(t *testing.T) {
	var samples []int16
	for _, f := range []tone{phoneTone, 0, holdTone, phoneTone, earlyTone} {
		length := time.Second
		if f == earlyTone {
			length = 200 * time.Millisecond
		}
		samples = append(samples, readWAV(t, writeWAV(t, filepath.Join(t.TempDir(), "tone.wav"), f, length))...)
	}
	if got, want := order(samples), []tone{phoneTone, holdTone, phoneTone}; !slices.Equal(got, want) {
		t.Errorf("heard %d Hz, want %d", got, want)
	}
}
