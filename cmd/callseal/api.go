package main

import (
	"context"
	"strings"
	"time"

	"callseal/cmd/callseal/web"
	"callseal/media"
	"callseal/sdp"
	"callseal/signaling"
	"callseal/signaling/call"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// api shows the house to the admin pages.
type api struct{ house *house }

var _ web.API = api{}

// Calls is web.API's.
func (a api) Calls(ctx context.Context, p web.Page) ([]web.Call, string) {
	list, next := a.house.server.CallStatus(ctx, p.After, p.Most)
	out := make([]web.Call, 0, len(list))
	for _, c := range list {
		out = append(out, showCall(c))
	}
	return out, next
}

func showCall(c call.Status) web.Call {
	return web.Call{ID: c.ID, State: c.State, CallType: c.CallType, Since: c.Since.UTC(), Answered: moment(c.Answered),
		A: showLeg(c.A), B: showLeg(c.B), Sealed: c.A.Sealed && c.B.Sealed}
}

func showLeg(l call.LegStatus) web.Leg {
	st := l.Audio
	return web.Leg{
		Role: l.Role.String(), Name: l.Name, Extension: l.Extension, Signaling: l.Signaling, SRTP: l.Suite, Sealed: l.Sealed, OneWay: l.OneWay,
		RoundTrip: inMilliseconds(st.RoundTrip),
		Received: web.Received{
			Packets: st.Received, Bytes: st.ReceivedBytes, Lost: st.Heard.Lost, Loss: st.Heard.Loss(), OutOfOrder: st.Heard.Late,
			Dropped: st.Drops.Total(), Jitter: inMilliseconds(st.Heard.Jitter), LongestGap: inMilliseconds(st.Heard.LongestGap), MOS: st.Heard.MOS,
		},
		Sent: sentTo(st),
	}
}

func sentTo(st media.SideStats) web.Sent {
	return web.Sent{Packets: st.Sent, Bytes: st.SentBytes, Lost: st.Reported.Lost, Loss: st.Reported.Loss(),
		Jitter: inMilliseconds(st.Reported.Jitter), MOS: st.Reported.MOS}
}

func inMilliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Phones is web.API's.
func (a api) Phones() []web.Phone {
	var out []web.Phone
	for _, p := range a.house.server.Phones() {
		out = append(out, web.Phone{
			AOR: p.AOR, Extension: p.User, Contact: p.Contact, Address: p.Remote.String(), Transport: p.Transport.String(), TLS: p.TLS, Sealed: p.Sealed,
			UserAgent: p.Agent, RoundTrip: inMilliseconds(p.RoundTrip), Since: p.Since.UTC(), Expires: p.Expires.UTC(),
			Dialer: p.Dialer, Listener: p.Listener, Gone: p.Gone, Stage: p.Stage.String(), Lines: showLines(p.Lines),
		})
	}
	return out
}

func showLines(lines []signaling.LineStatus) []web.Line {
	out := make([]web.Line, 0, len(lines))
	for _, l := range lines {
		out = append(out, web.Line{Dialer: l.Dialer, User: l.User, State: l.State.String(), Since: moment(l.Since), Expires: moment(l.Expires), Next: moment(l.Next),
			Failures: l.Failures, Code: l.Code, Fault: l.Phrase, Advice: l.Advice, TLS: l.TLS})
	}
	return out
}

// Trunks is web.API's.
func (a api) Trunks() []web.Trunk {
	cfg := a.house.config.Load()
	status := map[string]trunk.Status{}
	for _, s := range a.house.server.Trunks() {
		status[s.Name] = s
	}
	accounts := map[string]*web.Registration{}
	for _, r := range a.house.server.Registrations() {
		accounts[r.Trunk] = &web.Registration{State: r.State.String(), Since: moment(r.Since), Registrar: r.Registrar, Expires: moment(r.Expires), Next: moment(r.Next),
			Failures: r.Failures, Code: r.Code, Fault: r.Phrase, Advice: r.Advice, TLS: r.TLS}
	}
	var out []web.Trunk
	for _, t := range cfg.Signaling.Table.Trunks {
		shown, s := showTrunk(t, cfg.Certificates), status[t.Name()]
		shown.Health = web.Health{Watched: s.Watched, Up: s.Up, Since: moment(s.Since), Resting: moment(s.Resting),
			RoundTrip: inMilliseconds(s.RoundTrip), Fault: s.Fault}
		shown.Load = web.Load{Calls: s.Calls, MostCalls: s.Limits.Calls, Waiting: s.Waiting, MostASecond: s.Limits.PerSecond}
		shown.Registration = accounts[t.Name()]
		out = append(out, shown)
	}
	return out
}

// moment is a time for the API; the zero one is null.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func showTrunk(t *trunk.Trunk, all []namedCertificate) web.Trunk {
	out := web.Trunk{
		Name: t.Name(), Role: t.Role().String(), Transport: t.Target.Proto.String(), Host: t.Target.Host, Port: t.Target.Port,
		Media: t.Media.String(), Sealed: t.Target.Proto == transport.TLS && t.Media == sdp.Required, Certificates: []web.Certificate{},
	}
	if t.Plaintext != nil {
		out.Plain = &web.Acceptance{AcceptedBy: t.Plaintext.AcceptedBy, Reason: t.Plaintext.Reason}
	}
	for _, c := range all {
		if strings.HasPrefix(c.Place, t.Role().String()+"s."+t.Name()+".tls.") {
			out.Certificates = append(out.Certificates, showCertificate(c))
		}
	}
	return out
}

func showCertificate(c namedCertificate) web.Certificate {
	return web.Certificate{Name: c.Place, NotAfter: c.NotAfter.UTC()}
}

// Bans is web.API's.
func (a api) Bans() []web.Ban {
	var out []web.Ban
	for _, b := range a.house.server.Bans() {
		who := b.Who.String()
		if b.Who.IsSingleIP() {
			who = b.Who.Addr().String()
		}
		out = append(out, web.Ban{Address: who, Transports: b.Transports(), Cause: b.Why.String(), Registers: b.Door,
			Since: b.Since.UTC(), Until: b.Until.UTC(), Dropped: b.Dropped})
	}
	return out
}

// Configuration is web.API's.
func (a api) Configuration() web.Configuration {
	cfg, status := a.house.config.Load(), a.house.reloads.Load()
	out := web.Configuration{
		Version: status.Sum, Loaded: status.Loaded.UTC(), Tried: status.Tried.UTC(),
		Errors: append([]string{}, status.Errors...), Restart: append([]string{}, status.Restart...),
		PlainHops: []web.PlainHop{}, Certificates: []web.Certificate{},
	}
	for _, h := range cfg.Hops {
		out.PlainHops = append(out.PlainHops, web.PlainHop{Name: h.Name, Role: h.Role.String(), Signaling: h.Signaling.String(),
			Media: h.Media.String(), AcceptedBy: h.AcceptedBy, Reason: h.Reason})
	}
	for _, c := range cfg.Certificates {
		out.Certificates = append(out.Certificates, showCertificate(c))
	}
	return out
}
