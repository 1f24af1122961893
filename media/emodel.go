package media

import (
	"math"
	"time"
)

// codec is what a codec does to speech: its equipment impairment at no loss and how well it bears random loss, as
// ITU-T G.113 Appendix I (11/2007) gives them, tables I.1 and I.4.
type codec struct{ impairment, robustness float64 }

// codecOf returns the figures of a static payload type (RFC 3551 table 4). Types that are dynamic, and G.722, for which
// the narrow-band scale has no figures, count as G.711 with packet loss concealment: what their rating then says is what
// the network did.
func codecOf(payloadType uint8) codec {
	switch payloadType {
	case 3: // GSM 06.10; the appendix has no robustness for it: that of GSM-EFR
		return codec{20, 10}
	case 4: // G.723.1 at 6.3 kbit/s
		return codec{15, 16.1}
	case 18: // G.729A with VAD
		return codec{11, 19}
	}
	return codec{0, 25.1} // G.711 with PLC
}

// rating returns R of the E-model (ITU-T G.107, 03/2005), 0 to 93.2, for a codec under random loss, a ratio 0..1, and
// a one-way delay. All parameters that no packet tells have their default values of its table 2, which together make
// R = 93.2, and echo is taken as cancelled.
func rating(c codec, loss float64, delay time.Duration) float64 {
	percent := 100 * loss
	equipment := c.impairment + (95-c.impairment)*percent/(percent+c.robustness) // equation 7-29 with BurstR = 1
	late := 0.0
	if ms := delay.Seconds() * 1000; ms > 100 { // equations 7-27 and 7-28
		x := math.Log2(ms / 100)
		late = 25 * (math.Pow(1+math.Pow(x, 6), 1.0/6) - 3*math.Pow(1+math.Pow(x/3, 6), 1.0/6) + 2)
	}
	return max(0, 93.2-late-equipment)
}

// meanOpinion converts R to a mean opinion score, 1 to 4.5 (ITU-T G.107 annex B).
func meanOpinion(r float64) float64 {
	if r <= 0 {
		return 1
	}
	return max(1, 1+0.035*r+r*(r-60)*(100-r)*7e-6)
}

// opinionAfter is how many packets must have come before their quality is rated.
const opinionAfter = 50

// opinion rates one direction of one leg: of packets that should have come so many were lost, with such jitter, and
// the leg's round trip takes so long. The one-way delay is half of that, one frame, and a playout buffer of twice the
// jitter. 0 means that there is too little to tell.
func opinion(payloadType uint8, expected, lost uint64, jitter, roundTrip time.Duration) float64 {
	if expected < opinionAfter {
		return 0
	}
	loss := float64(min(lost, expected)) / float64(expected)
	return meanOpinion(rating(codecOf(payloadType), loss, roundTrip/2+frame+2*jitter))
}
