package transport

import (
	"errors"
	"hash/maphash"
	"strconv"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// lane handles the messages of its share of the Call-IDs, one after another, in one goroutine: run. What the endpoint itself has to do for one
// of those Call-IDs (send, cancel, tell of a timeout) is posted into the same queue, so that nothing of one call ever runs at the same time
// as, or out of order with, something else of it.
type lane struct {
	endpoint *Endpoint
	limit    int           // received messages that may wait
	wake     chan struct{} // capacity 1, to run; never closed

	mu       sync.Mutex // guards queue, waiting and stopped
	queue    []item
	waiting  int // received messages in queue
	stopping bool
	stopped  bool

	tables  sync.Mutex // guards the maps; timers end transactions from goroutines of their own
	servers map[string]*ServerTx
	clients map[string]*ClientTx
}

// item is a message received, or something to do.
type item struct {
	message *message
	flow    *Flow
	job     func()
}

func newLane(e *Endpoint) *lane {
	return &lane{endpoint: e, limit: e.limits.LaneQueue, wake: make(chan struct{}, 1), servers: map[string]*ServerTx{},
		clients: map[string]*ClientTx{}}
}

var laneSeed = maphash.MakeSeed()

// lane gives the lane of a Call-ID.
func (e *Endpoint) lane(callID string) *lane {
	return e.lanes[maphash.String(laneSeed, callID)%uint64(len(e.lanes))]
}

// deliver queues a received message; false when too many wait.
func (l *lane) deliver(m *message, f *Flow) bool {
	l.mu.Lock()
	if l.waiting >= l.limit || l.stopped {
		l.mu.Unlock()
		return false
	}
	l.waiting++
	l.queue = append(l.queue, item{message: m, flow: f})
	l.mu.Unlock()
	l.nudge()
	return true
}

// post queues a job; false when the lane has stopped. Jobs are never refused for being many: each belongs to a transaction that exists.
func (l *lane) post(job func()) bool {
	l.mu.Lock()
	if l.stopped {
		l.mu.Unlock()
		return false
	}
	l.queue = append(l.queue, item{job: job})
	l.mu.Unlock()
	l.nudge()
	return true
}

func (l *lane) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// stop lets run end once the queue is empty.
func (l *lane) stop() {
	l.mu.Lock()
	l.stopping = true
	l.mu.Unlock()
	l.nudge()
}

// run handles the queue until stop; then it ends every transaction that is left.
func (l *lane) run() {
	var batch []item
	for {
		l.mu.Lock()
		batch, l.queue = l.queue, batch[:0]
		l.waiting = 0
		stopping := l.stopping
		l.mu.Unlock()
		for i := range batch {
			l.handle(&batch[i])
			batch[i] = item{}
		}
		if len(batch) > 0 {
			continue
		}
		if !stopping {
			<-l.wake
			continue
		}
		if l.endAll() {
			continue // what that posted is to be handled too
		}
		l.mu.Lock()
		l.stopped = len(l.queue) == 0
		done := l.stopped
		l.mu.Unlock()
		if done {
			return
		}
	}
}

// handle does one item. A panic ends that item only.
func (l *lane) handle(it *item) {
	defer func() {
		if p := recover(); p != nil {
			_ = l.endpoint.recovered("lane", p) // logged there
		}
	}()
	if it.job != nil {
		it.job()
		return
	}
	msg, flt := l.endpoint.checker.check(it.message)
	if flt != nil {
		l.endpoint.reject(it.flow, it.message, flt)
		return
	}
	switch msg := msg.(type) {
	case *sip.Request:
		l.request(msg, it.flow)
	case *sip.Response:
		l.response(msg, it.flow)
	}
}

// response matches a response to its transaction (RFC 3261 section 17.1.3). A stray one is dropped (section 18.1.2).
func (l *lane) response(res *sip.Response, f *Flow) {
	key, err := sip.ClientTxKeyMake(res)
	if err != nil {
		l.endpoint.metrics.refuse(strayResponse)
		return
	}
	l.tables.Lock()
	t := l.clients[key]
	l.tables.Unlock()
	if t == nil {
		l.endpoint.metrics.refuse(strayResponse)
		return
	}
	res.SetTransport(f.proto.Via())
	res.SetSource(f.remote.String())
	t.receive(res, f)
}

// Transactions is how many there are, those included that only absorb repetitions.
func (e *Endpoint) Transactions() (n int) {
	for _, l := range e.lanes {
		l.tables.Lock()
		n += len(l.servers) + len(l.clients)
		l.tables.Unlock()
	}
	return n
}

// endAll ends every transaction; false when there was none.
func (l *lane) endAll() bool {
	l.tables.Lock()
	servers := make([]*ServerTx, 0, len(l.servers))
	for _, t := range l.servers {
		servers = append(servers, t)
	}
	clients := make([]*ClientTx, 0, len(l.clients))
	for _, t := range l.clients {
		clients = append(clients, t)
	}
	l.tables.Unlock()
	for _, t := range servers {
		t.end()
	}
	for _, t := range clients {
		t.fail(&Failure{Trunk: t.trunk(), Stage: StageClosed, Cause: CauseShutdown, Err: ErrClosed})
	}
	return len(servers)+len(clients) > 0
}

// errKey says that a request cannot be matched to a transaction.
var errKey = errors.New("no transaction key")

// serverKey is the key of a request's server transaction (RFC 3261 section 17.2.3). sipgo makes none for an RFC 2543 request whose From has no
// tag, which that RFC allowed.
func serverKey(req *sip.Request) (string, error) {
	key, err := sip.ServerTxKeyMake(req)
	if err == nil {
		return key, nil
	}
	via, callID, cseq := req.Via(), req.CallID(), req.CSeq()
	if via == nil || callID == nil || cseq == nil {
		return "", errKey
	}
	method := cseq.MethodName
	if method == sip.ACK {
		method = sip.INVITE
	}
	return callID.Value() + sip.TxSeperator + strconv.Itoa(int(cseq.SeqNo)) + sip.TxSeperator + string(method) + sip.TxSeperator + via.Value(), nil
}

// inviteKey is the key of the INVITE that a CANCEL is meant for.
func inviteKey(cancel *sip.Request) (string, error) {
	cseq := cancel.CSeq()
	cseq.MethodName = sip.INVITE
	defer func() { cseq.MethodName = sip.CANCEL }()
	return serverKey(cancel)
}
