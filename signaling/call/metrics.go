package call

import (
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"

	"callseal/media"
	"callseal/signaling/transport"
)

// Metrics counts calls and legs. Every method works on a nil *Metrics.
type Metrics struct {
	calls        *prometheus.CounterVec
	setup, ring  *prometheus.HistogramVec
	talk         *prometheus.HistogramVec
	active       *prometheus.GaugeVec
	legs         *prometheus.GaugeVec
	clear        *prometheus.GaugeVec
	refusedMedia *prometheus.CounterVec
	lostByes     *prometheus.CounterVec
	refusedByes  *prometheus.CounterVec
	transfers    *prometheus.CounterVec
	panics       prometheus.Counter
	relayed      *prometheus.CounterVec
	redirections *prometheus.CounterVec
	challenges   *prometheus.CounterVec
	attempts     *prometheus.CounterVec
	failovers    *prometheus.CounterVec
	oneWayAudio  *prometheus.CounterVec
	silentLegs   *prometheus.CounterVec
	quietLegs    *prometheus.CounterVec
	answerClip   *prometheus.HistogramVec
	mos, loss    *prometheus.HistogramVec
	jitter, trip *prometheus.HistogramVec
	gap          *prometheus.HistogramVec
	packets      *prometheus.CounterVec
	octets, late *prometheus.CounterVec
}

// NewMetrics registers the metrics of calls.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	legs := []string{"from", "to"}
	carried := append(legs[:2:2], "carrier")
	m := &Metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_calls_total",
			Help: "Calls that ended, by the roles of both legs, the dialer and the carrier in it, what VICIdial's caller code says that it was for, outcome, class of the final code and who caused it (a role, or local).",
		}, append(legs[:2:2], "dialer", "carrier", "call_type", "outcome", "class", "origin")),
		setup: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "callseal_call_setup_seconds",
			Help:    "INVITE in to the first ringing or final answer out, in seconds, by the carrier in the call.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, carried),
		ring: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "callseal_call_ring_seconds",
			Help:    "First ringing to the answer, in seconds, by the carrier in the call.",
			Buckets: []float64{.5, 1, 2.5, 5, 10, 15, 20, 30, 45, 60, 120},
		}, carried),
		talk: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "callseal_call_talk_seconds",
			Help:    "Answer to end, in seconds, by the carrier in the call.",
			Buckets: []float64{1, 6, 12, 30, 60, 120, 300, 900, 3600, 14400, 28800},
		}, carried),
		active: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "callseal_calls_active",
			Help: "Calls that are up or being set up.",
		}, legs),
		legs: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "callseal_srtp_legs",
			Help: "Answered legs by role and SRTP suite; suite none is RTP in the clear.",
		}, []string{"role", "suite"}),
		clear: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "callseal_legs_in_the_clear",
			Help: "Answered legs whose signaling or media (hop) is not encrypted, by trunk or phones' listener.",
		}, []string{"role", "name", "hop"}),
		refusedMedia: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_media_refused_total",
			Help: "Session descriptions that could not be used, by who sent them and cause.",
		}, []string{"role", "name", "cause"}),
		lostByes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_byes_unanswered_total",
			Help: "BYEs of ours that got no answer.",
		}, []string{"role", "name"}),
		refusedByes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_byes_refused_total",
			Help: "BYEs of ours that got another final answer than 2xx, 408 or 481.",
		}, []string{"role", "name"}),
		transfers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_transfers_total",
			Help: "New legs placed for a REFER, by the trunk that they went to and what became of them: answered, failed or abandoned.",
		}, []string{"role", "name", "outcome"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "callseal_call_panics_total",
			Help: "Calls ended by a fault of callseal itself.",
		}),
		oneWayAudio: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_one_way_audio_total",
			Help: "Legs of which nothing was heard on the other within 3 s of the answer or of a hold's end, by cause.",
		}, []string{"role", "name", "cause"}),
		silentLegs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_silent_legs_total",
			Help: "Calls ended because this leg sent no authentic packet for limits.silence, and neither did the other or this one did not answer when it was asked.",
		}, []string{"role", "name"}),
		quietLegs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callseal_silent_legs_alive_total",
			Help: "Legs that sent no authentic packet for limits.silence and answered when they were asked: their calls went on.",
		}, []string{"role", "name"}),
		answerClip: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "callseal_answer_clip_seconds",
			Help:    "The 200 to the first audio that came from the trunk and was delivered (received), or was delivered to it (sent), in seconds.",
			Buckets: []float64{.01, .02, .05, .1, .15, .2, .3, .5, 1, 2, 3, 5, 10},
		}, []string{"role", "name", "direction"}),
	}
	m.quality()
	reg.MustRegister(m.oneWayAudio, m.silentLegs, m.quietLegs, m.answerClip, m.mos, m.loss, m.jitter, m.trip, m.gap, m.packets, m.octets, m.late)
	m.relayed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callseal_requests_relayed_total",
		Help: "Requests other than those of call control sent on to another remote, by the roles of both, and class of the code that the first one got.",
	}, append(legs, "method", "class"))
	m.redirections = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callseal_redirections_total",
		Help: "Places that a 3xx named, by the trunk that said it and what became of it: followed, loop, elsewhere (not configured), limit (of the trunk that it led to) or refused (all of them).",
	}, []string{"role", "name", "outcome"})
	m.challenges = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callseal_challenges_total",
		Help: "Challenges (401, 407) of trunks to requests in and for calls, by what became of them: answered, passed (on to the phone whose call it is), refused (the password), no_password, unsupported or malformed.",
	}, []string{"role", "name", "outcome"})
	m.attempts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callseal_call_attempts_total",
		Help: "Parties that calls were placed at, by trunk; a call that goes on to another one counts at each.",
	}, []string{"role", "name"})
	m.failovers = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callseal_failovers_total",
		Help: "Times that a call, or a request outside of calls, went on from this party to another one, by cause: 408, 503, silent, password, what kept it from being reached, the limit that kept the call out, or media (a transfer cannot move its audio there).",
	}, []string{"role", "name", "cause"})
	reg.MustRegister(m.relayed, m.redirections, m.challenges, m.attempts, m.failovers)
	reg.MustRegister(m.calls, m.setup, m.ring, m.talk, m.active, m.legs, m.clear, m.refusedMedia, m.lostByes, m.refusedByes, m.transfers, m.panics)
	return m
}

// quality makes the histograms of how the audio of answered legs went.
func (m *Metrics) quality() {
	histogram := func(name, help string, labels []string, buckets ...float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "callseal_audio_" + name, Help: help, Buckets: buckets}, labels)
	}
	counter := func(name, help string, labels []string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "callseal_audio_" + name, Help: help}, labels)
	}
	leg := []string{"role", "name"}
	way := append(leg[:2:2], "direction")
	m.packets = counter("packets_total", "RTP packets of ended calls that came from the trunk and were accepted (received), and that were sent to it (sent).", way)
	m.octets = counter("bytes_total", "UDP payload of RTP and RTCP of ended calls from the trunk (received) and to it (sent), in bytes.", way)
	m.late = counter("late_packets_total", "RTP packets of ended calls that came from the trunk behind a newer one.", leg)
	m.gap = histogram("longest_gap_seconds", "Longest time in each call for which no packet came from the trunk that should have, in seconds.", leg,
		.025, .05, .1, .2, .3, .5, 1, 2, 5, 10)
	m.mos = histogram("mos", "Mean opinion score (ITU-T G.107) of each call: of what came from the trunk (received), and by its reports of what was sent to it (sent).",
		way, 1.5, 2, 2.5, 3, 3.25, 3.5, 3.75, 4, 4.2, 4.3, 4.4)
	m.loss = histogram("loss_ratio", "Share of RTP packets lost in each call: of those from the trunk (received), and by its reports of those sent to it (sent).", way, .001, .002, .005, .01, .02, .05, .1, .2, .5)
	m.jitter = histogram("jitter_seconds", "Mean jitter of each call, in seconds: of what came from the trunk (received), and by its reports of what was sent to it (sent).", way, .0005, .001, .002, .005, .01, .02, .03, .05, .1, .2)
	m.trip = histogram("round_trip_seconds", "Mean round trip between callseal and the trunk in each call, in seconds, by RTCP.", leg,
		.001, .002, .005, .01, .02, .05, .1, .15, .2, .3, .5, 1)
}

// heard notes how the audio of a leg went.
func (m *Metrics) heard(p Party, st media.SideStats) {
	role, name := p.Role.String(), p.Name
	m.packets.WithLabelValues(role, name, "received").Add(float64(st.Received))
	m.packets.WithLabelValues(role, name, "sent").Add(float64(st.Sent))
	m.octets.WithLabelValues(role, name, "received").Add(float64(st.ReceivedBytes))
	m.octets.WithLabelValues(role, name, "sent").Add(float64(st.SentBytes))
	m.late.WithLabelValues(role, name).Add(float64(st.Heard.Late))
	if st.Received > 0 {
		m.gap.WithLabelValues(role, name).Observe(st.Heard.LongestGap.Seconds())
	}
	for direction, q := range map[string]media.Quality{"received": st.Heard, "sent": st.Reported} {
		if q.MOS == 0 { // too little to tell
			continue
		}
		labels := []string{role, name, direction}
		m.mos.WithLabelValues(labels...).Observe(q.MOS)
		m.loss.WithLabelValues(labels...).Observe(q.Loss())
		m.jitter.WithLabelValues(labels...).Observe(q.Jitter.Seconds())
	}
	if st.RoundTrip > 0 {
		m.trip.WithLabelValues(role, name).Observe(st.RoundTrip.Seconds())
	}
}

func (m *Metrics) panicked() {
	if m != nil {
		m.panics.Inc()
	}
}

// Relayed counts a request that was sent on to another remote, with the code
// of its answer.
func (m *Metrics) Relayed(from, to transport.Role, method sip.RequestMethod, code int) {
	if m != nil {
		m.relayed.WithLabelValues(from.String(), to.String(), string(method), fmt.Sprintf("%dxx", code/100)).Inc()
	}
}

func (m *Metrics) redirected(by Party, outcome string) {
	if m != nil {
		m.redirections.WithLabelValues(by.Role.String(), by.Name, outcome).Inc()
	}
}

func (m *Metrics) challenged(by Party, outcome string) {
	if m != nil {
		m.challenges.WithLabelValues(by.Role.String(), by.Name, outcome).Inc()
	}
}

func (m *Metrics) attempted(to Party) {
	if m != nil {
		m.attempts.WithLabelValues(to.Role.String(), to.Name).Inc()
	}
}

func (m *Metrics) failedOver(from Party, cause string) {
	if m != nil {
		m.failovers.WithLabelValues(from.Role.String(), from.Name, cause).Inc()
	}
}

func (m *Metrics) byeLost(p Party) {
	if m != nil {
		m.lostByes.WithLabelValues(p.Role.String(), p.Name).Inc()
	}
}

// transferred counts the end of a transfer to a party.
func (m *Metrics) transferred(to Party, outcome string) {
	if m != nil {
		m.transfers.WithLabelValues(to.Role.String(), to.Name, outcome).Inc()
	}
}

func (m *Metrics) byeRefused(p Party) {
	if m != nil {
		m.refusedByes.WithLabelValues(p.Role.String(), p.Name).Inc()
	}
}

func (m *Metrics) oneWay(p Party, cause media.OneWay) {
	if m != nil {
		m.oneWayAudio.WithLabelValues(p.Role.String(), p.Name, cause.String()).Inc()
	}
}

func (m *Metrics) silent(p Party) {
	if m != nil {
		m.silentLegs.WithLabelValues(p.Role.String(), p.Name).Inc()
	}
}

func (m *Metrics) alive(p Party) {
	if m != nil {
		m.quietLegs.WithLabelValues(p.Role.String(), p.Name).Inc()
	}
}

// clip notes how long after the answer the first audio of one party reached
// the other.
func (m *Metrics) clip(from, to Party, after time.Duration) {
	if m != nil {
		m.answerClip.WithLabelValues(from.Role.String(), from.Name, "received").Observe(after.Seconds())
		m.answerClip.WithLabelValues(to.Role.String(), to.Name, "sent").Observe(after.Seconds())
	}
}

func (m *Metrics) mediaRefused(p Party, cause string) {
	if m != nil {
		m.refusedMedia.WithLabelValues(p.Role.String(), p.Name, cause).Inc()
	}
}

// started counts a call in; finished counts it out.
func (m *Metrics) started(c *Call) {
	if m != nil {
		m.active.WithLabelValues(c.roles()...).Inc()
	}
}

// legLabels is one answered leg as the gauges know it.
type legLabels struct {
	role, name, suite string
	clearSignaling    bool
}

// answered counts both legs of a call in, once; finished counts them out.
func (m *Metrics) answered(c *Call) {
	if m == nil || c.counted != nil {
		return
	}
	for s, l := range []*leg{&c.a, &c.b} {
		c.counted = append(c.counted, legLabels{
			role: l.party.Role.String(), name: l.party.Name, suite: c.summary.suites[s],
			clearSignaling: l.flow != nil && l.flow.Proto() != transport.TLS,
		})
	}
	m.countLegs(c.counted, 1)
}

// recount is answered after the session of a leg has changed.
func (m *Metrics) recount(c *Call) {
	if m == nil || c.counted == nil {
		return
	}
	m.countLegs(c.counted, -1)
	c.counted = nil
	m.answered(c)
}

func (m *Metrics) countLegs(legs []legLabels, by float64) {
	for _, l := range legs {
		m.legs.WithLabelValues(l.role, l.suite).Add(by)
		if l.suite == plainSuite {
			m.clear.WithLabelValues(l.role, l.name, "media").Add(by)
		}
		if l.clearSignaling {
			m.clear.WithLabelValues(l.role, l.name, "signaling").Add(by)
		}
	}
}

func (m *Metrics) finished(c *Call) {
	if m == nil {
		return
	}
	s := &c.summary
	roles := c.roles()
	m.active.WithLabelValues(roles...).Dec()
	if s.outcome == Challenged { // the call is still to come
		return
	}
	class := "none"
	if s.code > 0 {
		class = fmt.Sprintf("%dxx", s.code/100)
	}
	dialer, carrier := c.trunks()
	m.calls.WithLabelValues(append(roles, dialer, carrier, s.callType.String(), s.outcome.String(), class, s.origin)...).Inc()
	roles = append(roles, carrier)
	m.countLegs(c.counted, -1)
	now := time.Now()
	switch {
	case !s.rang.IsZero():
		m.setup.WithLabelValues(roles...).Observe(s.rang.Sub(s.start).Seconds())
	case !s.final.IsZero():
		m.setup.WithLabelValues(roles...).Observe(s.final.Sub(s.start).Seconds())
	}
	if !s.answer.IsZero() {
		m.heard(c.a.party, c.figures(media.A))
		m.heard(c.b.party, c.figures(media.B))
		m.talk.WithLabelValues(roles...).Observe(now.Sub(s.answer).Seconds())
		if !s.rang.IsZero() {
			m.ring.WithLabelValues(roles...).Observe(s.answer.Sub(s.rang).Seconds())
		}
	}
}

// trunks names the dialer and the carrier that the call began with, by its
// answer at the latest; "" where there is none. Of two of a kind the one that
// was called counts.
func (c *Call) trunks() (dialer, carrier string) {
	called := c.b.party
	if c.formerB != nil {
		called = c.formerB.party
	}
	for _, p := range []Party{c.caller, called} {
		switch p.Role {
		case transport.Dialer:
			dialer = p.Name
		case transport.Carrier:
			carrier = p.Name
		case transport.Phone:
		}
	}
	return dialer, carrier
}

// roles are the label values of both legs, as they were when the call was
// counted in.
func (c *Call) roles() []string {
	if c.startedAs == nil {
		c.startedAs = []string{c.a.party.Role.String(), c.b.party.Role.String()}
	}
	return c.startedAs[:2:2]
}
