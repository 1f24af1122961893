package locate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

const (
	rounds     = 2    // how often each name server is asked one question
	maxRecords = 64   // of one answer; what comes behind is not read
	maxAliases = 8    // CNAMEs followed
	udpSize    = 1232 // octets of an answer over UDP: what passes everywhere without fragments
)

var (
	errMismatch = errors.New("the answer is to another question")
	errNoServer = errors.New("no name server is known")
)

// reply is what one name server said, or why it did not.
type reply struct {
	server netip.AddrPort
	msg    *dns.Msg
	err    error
}

// exchange asks the name servers, one after the other, until one answers: the next is asked when one fails, or is silent for its share of the
// time; the earlier ones may still answer meanwhile. It takes no longer than within.
func exchange(ctx context.Context, servers []netip.AddrPort, q question, within time.Duration) (*dns.Msg, error) {
	if len(servers) == 0 {
		return nil, errNoServer
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	total := rounds * len(servers)
	replies := make(chan reply, total)
	asked, waiting := 0, 0
	next := time.NewTimer(0)
	defer next.Stop()
	var last error
	for {
		select {
		case <-next.C:
			server := servers[asked%len(servers)]
			asked++
			waiting++
			go func() { // ends with ctx; its reply always finds room
				msg, err := askOne(ctx, server, q)
				replies <- reply{server, msg, err}
			}()
			if asked < total {
				next.Reset(within / time.Duration(total))
			}
		case r := <-replies:
			waiting--
			if r.err == nil {
				return r.msg, nil
			}
			last = fmt.Errorf("%s: %w", r.server, r.err)
			switch {
			case asked < len(servers):
				next.Reset(0)
			case waiting == 0: // nobody was silent: asking again would bring the same
				return nil, last
			}
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), last)
		}
	}
}

// askOne asks one server, over UDP and, where the answer is cut, over TCP (RFC 7766 section 5).
func askOne(ctx context.Context, server netip.AddrPort, q question) (*dns.Msg, error) {
	msg, err := overNet(ctx, "udp", server, q)
	if err == nil && msg.Truncated {
		msg, err = overNet(ctx, "tcp", server, q)
	}
	if err != nil {
		return nil, err
	}
	if msg.Rcode != dns.RcodeSuccess && msg.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("answers %s", dns.RcodeToString[msg.Rcode])
	}
	return msg, nil
}

// overNet asks from a socket of its own, so that its port is hard to guess (RFC 5452 section 9.2).
func overNet(ctx context.Context, network string, server netip.AddrPort, q question) (*dns.Msg, error) {
	var d net.Dialer
	raw, err := d.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = raw.Close() }() // nothing is lost with it
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn := &dns.Conn{Conn: raw, UDPSize: udpSize}
	request := new(dns.Msg)
	request.SetQuestion(q.name, q.kind.wire())
	request.SetEdns0(udpSize, false)
	if err := conn.WriteMsg(request); err != nil {
		return nil, err
	}
	for {
		msg, err := conn.ReadMsg()
		if err != nil && (msg == nil || !msg.Truncated) {
			return nil, err
		}
		if msg.Id != request.Id {
			continue // not an answer to this; a forged one, perhaps
		}
		if !msg.Response || len(msg.Question) != 1 || ask(msg.Question[0].Name, q.kind) != q || msg.Question[0].Qtype != q.kind.wire() {
			return nil, errMismatch
		}
		return msg, nil
	}
}

// read takes out of an answer what was asked for. alias is the name at which the answer broke off, or "": it is to be asked for by itself. An
// error says that there is no such name or record. ttl is how long all of this holds.
func read(q question, msg *dns.Msg) (a answer, alias string, ttl time.Duration, err error) {
	ttl = maxTTL
	at, end := follow(q.name, msg.Answer, &ttl)
	for _, rr := range msg.Answer {
		if rr.Header().Rrtype != q.kind.wire() || ask(rr.Header().Name, q.kind).name != at || len(a.addrs)+len(a.srvs)+len(a.naptrs) >= maxRecords {
			continue
		}
		ttl = min(ttl, seconds(rr.Header().Ttl))
		a.add(rr)
	}
	switch {
	case !a.empty():
		return a, "", ttl, nil
	case !end:
		return answer{}, "", 0, failed(q, "aliases lead in a circle or too far")
	case at != q.name && msg.Rcode == dns.RcodeSuccess && !hasSOA(msg):
		return answer{}, at, ttl, nil
	case msg.Rcode == dns.RcodeNameError:
		return answer{}, "", negative(msg, ttl), missing(q, "no such host")
	}
	return answer{}, "", negative(msg, ttl), missing(q, "no "+q.kind.String()+" record")
}

// follow goes along the aliases of an answer; end is false where they do not end.
func follow(name string, records []dns.RR, ttl *time.Duration) (at string, end bool) {
	at = name
	for range maxAliases {
		next := ""
		for _, rr := range records {
			if c, ok := rr.(*dns.CNAME); ok && ask(c.Hdr.Name, A).name == at {
				next = ask(c.Target, A).name
				*ttl = min(*ttl, seconds(c.Hdr.Ttl))
				break
			}
		}
		if next == "" {
			return at, true
		}
		at = next
	}
	return at, false
}

// add takes a record of the kind that was asked for.
func (a *answer) add(rr dns.RR) {
	switch rr := rr.(type) {
	case *dns.A:
		if addr, ok := netip.AddrFromSlice(rr.A); ok {
			a.addrs = append(a.addrs, addr.Unmap())
		}
	case *dns.AAAA:
		if addr, ok := netip.AddrFromSlice(rr.AAAA); ok {
			a.addrs = append(a.addrs, addr.Unmap())
		}
	case *dns.SRV:
		a.srvs = append(a.srvs, srv{priority: rr.Priority, weight: rr.Weight, port: rr.Port, target: rr.Target})
	case *dns.NAPTR:
		a.naptrs = append(a.naptrs, naptr{order: rr.Order, preference: rr.Preference, flags: rr.Flags, service: rr.Service, replacement: rr.Replacement})
	}
}

// negative is how long it holds that there is nothing: what the SOA record says; without one it is not remembered (RFC 2308 section 5).
func negative(msg *dns.Msg, most time.Duration) time.Duration {
	for _, rr := range msg.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(most, seconds(soa.Hdr.Ttl), seconds(soa.Minttl))
		}
	}
	return 0
}

func hasSOA(msg *dns.Msg) bool {
	for _, rr := range msg.Ns {
		if _, ok := rr.(*dns.SOA); ok {
			return true
		}
	}
	return false
}

// seconds reads a TTL; one with its top bit set counts as 0 (RFC 2181 section 8).
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}
