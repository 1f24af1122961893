package stream

import "math"

// Tones of the two parties in Hz. A packet holds whole periods of both, and so
// does what the stamp leaves of it (120 samples): the tone goes on without a
// break from packet to packet, and the two do not leak into each other.
var toneHz = [2]float64{1000, 600}

const (
	sampleRate    = 8000
	toneAmplitude = 8000.0
	tonePurity    = 0.95 // least share of a packet's power that is the tone's
)

// fills are what follows the stamp in a payload: a pattern, or a party's tone.
var (
	patternFill = func() (fill [PayloadSize]byte) {
		for i := range fill {
			fill[i] = byte(i)
		}
		return fill
	}()
	toneFill = [2][PayloadSize]byte{tone(toneHz[0]), tone(toneHz[1])}
)

func tone(hz float64) (fill [PayloadSize]byte) {
	for i := range fill {
		fill[i] = muLaw(int(math.Round(toneAmplitude * math.Sin(2*math.Pi*hz*float64(i)/sampleRate))))
	}
	return fill
}

// muLaw encodes one sample of 16 bits (ITU-T G.711).
func muLaw(sample int) byte {
	const bias, clip = 0x84, 32635
	sign := 0
	if sample < 0 {
		sign, sample = 0x80, -sample
	}
	sample = min(sample, clip) + bias
	exponent := 7
	for mask := 0x4000; exponent > 0 && sample&mask == 0; mask >>= 1 {
		exponent--
	}
	return ^byte(sign | exponent<<4 | sample>>(exponent+3)&0x0f)
}

// linear decodes every mu-law byte.
var linear = func() (table [256]float64) {
	for i := range table {
		u := ^byte(i)
		value := (int(u&0x0f)<<3+0x84)<<(u>>4&7) - 0x84
		if u&0x80 != 0 {
			value = -value
		}
		table[i] = float64(value)
	}
	return table
}()

// isTone tells whether the payload behind the stamp is the party's tone, by
// Goertzel's algorithm.
func isTone(payload []byte, party uint8) bool {
	samples := payload[atFill:]
	k := 2 * math.Cos(2*math.Pi*toneHz[party&1]/sampleRate)
	var s1, s2, power float64
	for _, b := range samples {
		x := linear[b]
		s1, s2 = x+k*s1-s2, s1
		power += x * x
	}
	// A pure tone of whole periods has power·n/2 here.
	found := s1*s1 + s2*s2 - k*s1*s2
	return power > 0 && found >= tonePurity*power*float64(len(samples))/2
}
