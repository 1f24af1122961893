package ladder

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// agent is one party of a scenario: it writes what the script says and keeps its dialogs, but does nothing by itself.
type agent struct {
	player *player
	owner  *agent // who gets what comes: the agent itself, or, where this is only another machine of it, that
	name   string
	addr   netip.AddrPort
	server netip.AddrPort // the listener that it calls
	stream bool           // tcp, else udp
	away   bool           // it took no connections for a time: a BYE may not have come

	slot  *mailslot
	door  *door
	links []*link // every connection that it ever had; guarded by player.mu
	inbox []*received

	calls     map[int]*talk
	requests  int // sent; makes branches
	registers int // of them REGISTER, each with a higher CSeq
	sent      []*sent
	got       []*received
	known     map[string]bool // again() of all that came, and whether the agent took note
}

// link is one connection of an agent.
type link struct {
	*stream
	dead bool // guarded by player.mu
	seen bool // a message that came by it was expected
}

// received is a message that came.
type received struct {
	*message
	at      time.Duration
	from    netip.AddrPort // over UDP
	machine string         // where it came: the agent's name, or that of another machine of the agent's
	link    *link
	talk    *talk
	final   int // of a request: the final code that the agent sent, or 0
}

// sent is a message that the agent sent.
type sent struct {
	*message
	lost   bool
	talk   *talk
	finals []*received // of a request: what answered it
	acked  bool        // of a 2xx to INVITE: its ACK came; of an INVITE that was refused: the agent sent it
	cut    bool        // its connection was, before the answer
	to     *received   // of a response
}

// talk is one call as one agent sees it.
type talk struct {
	number    int
	callID    string
	caller    bool   // the agent sent the INVITE
	self      string // its From or To without the tag
	peer      string
	tag       string // its own, where it called; else that of the last response
	dialogs   map[string]*dialog
	last      *dialog
	said      string // last description sent, under version 1
	version   int
	heard     *look
	heardText string
	invite    *received // the last INVITE that came
	out       *sent     // the last INVITE sent
}

// dialog is one of a talk's, by the tag that tells them apart.
type dialog struct {
	local, remote       string
	localSeq, remoteSeq int
	target              string   // the server's Contact
	contact             string   // the agent's own, as it said last
	routes              []string // that the server has to use
	up, heard           bool     // the INVITE was answered 2xx, or got one
	byeSent, byeGot     int
}

func (p *player) newAgent(name string, addr, server netip.AddrPort, stream bool) *agent {
	a := &agent{player: p, name: name, addr: addr, server: server, stream: stream, calls: map[int]*talk{}, known: map[string]bool{}}
	a.owner = a
	a.listen()
	return a
}

// listen opens the agent's socket.
func (a *agent) listen() {
	p := a.player
	if a.stream {
		l, err := p.net.Listen(a.addr)
		if err != nil {
			p.t.Fatal(err)
		}
		a.door = l.(*door)
		p.readers.Go(a.accept)
		return
	}
	slot, err := p.net.listenPacket(a.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	a.slot = slot
	p.readers.Go(a.readPackets)
}

func (a *agent) close() {
	if a.slot != nil {
		_ = a.slot.Close()
	}
	if a.door != nil {
		_ = a.door.Close()
	}
	a.player.mu.Lock()
	links := a.links
	a.player.mu.Unlock()
	for _, l := range links {
		_ = l.Close()
	}
}

func (a *agent) accept() {
	for {
		c, err := a.door.Accept()
		if err != nil {
			return
		}
		a.connected(c.(*stream))
	}
}

func (a *agent) connected(s *stream) *link {
	l := &link{stream: s}
	a.player.mu.Lock()
	a.links = append(a.links, l)
	a.player.mu.Unlock()
	a.player.readers.Go(func() { a.readStream(l) })
	return l
}

func (a *agent) readStream(l *link) {
	buf, text := make([]byte, 64<<10), ""
	for {
		n, err := l.Read(buf)
		text += string(buf[:n])
		for {
			m, rest, ok := parse(strings.TrimLeft(text, "\r\n"))
			if !ok {
				break
			}
			text = rest
			a.arrived(&received{message: m, link: l})
		}
		if err != nil {
			a.player.mu.Lock()
			l.dead = true
			a.player.mu.Unlock()
			_ = l.Close()
			return
		}
	}
}

func (a *agent) readPackets() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := a.slot.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if m, _, ok := parse(string(buf[:n])); ok {
			a.arrived(&received{message: m, from: from})
		}
	}
}

// arrived puts what came into the inbox.
func (a *agent) arrived(r *received) {
	p := a.player
	p.mu.Lock()
	r.at, r.machine = p.now(), a.name
	a.owner.inbox = append(a.owner.inbox, r)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// next takes the next message out of the inbox, or gives nil.
func (a *agent) next() *received {
	a.player.mu.Lock()
	defer a.player.mu.Unlock()
	if len(a.inbox) == 0 {
		return nil
	}
	r := a.inbox[0]
	a.inbox = a.inbox[1:]
	return r
}

// emit puts octets on the wire. back is the request that they answer, or nil.
func (a *agent) emit(text string, back *received, s *step) error {
	from := a
	if name := s.words["from"]; name != "" {
		if from = a.player.machines[name]; from == nil {
			return fmt.Errorf("no agent %s", name)
		}
	}
	if !a.stream {
		to := a.server
		if back != nil && s.words["from"] == "" {
			to = back.from
		}
		_, err := from.slot.WriteToUDPAddrPort([]byte(text), to)
		return err
	}
	l := from.line(back, s.words["over"] == "new")
	if l == nil {
		c, err := a.player.net.dialFrom(context.Background(), time.Second, from.addr.Addr(), a.server)
		if err != nil {
			return err
		}
		l = from.connected(c.(*stream))
		l.seen = true
	}
	_, err := l.Write([]byte(text))
	return err
}

// line finds the connection to send by: that of the request, else the last that is open; nil where a new one is to be made.
func (a *agent) line(back *received, fresh bool) *link {
	a.player.mu.Lock()
	defer a.player.mu.Unlock()
	if fresh {
		return nil
	}
	if back != nil && back.link != nil && !back.link.dead {
		return back.link
	}
	for i := len(a.links) - 1; i >= 0; i-- {
		if !a.links[i].dead {
			return a.links[i]
		}
	}
	return nil
}

func (a *agent) transport() string {
	if a.stream {
		return "TCP"
	}
	return "UDP"
}

// contact is the agent's own.
func (a *agent) contact() string {
	return fmt.Sprintf("<sip:%s@%s;transport=%s>", strings.ToLower(a.name), a.addr, strings.ToLower(a.transport()))
}

// dialogBy finds the dialog that a step means: by tag, else the last.
func (t *talk) dialogBy(tag string) *dialog {
	if tag != "" {
		for _, d := range t.dialogs {
			if d.local == tag || d.remote == tag {
				return d
			}
		}
		return nil
	}
	return t.last
}

// dialogWith finds a dialog by both of its tags, or gives nil.
func (t *talk) dialogWith(local, remote string) *dialog {
	for _, d := range t.dialogs {
		if d.local == local && d.remote == remote {
			return d
		}
	}
	return nil
}
