package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one stream connection, accepted or dialled. Two goroutines own it: serve reads, write writes; serve ends last and closes it.
// Whoever wants it gone calls end.
type conn struct {
	endpoint *Endpoint
	raw      net.Conn // the TCP connection
	stream   net.Conn // what is read and written: raw, or TLS over it
	flow     *Flow
	tlsState *tls.ConnectionState
	accepted bool
	to       *Target      // of a connection that we dialled
	heard    atomic.Int64 // unix nanoseconds of the last octet received

	wake chan struct{} // to the writer, capacity 1: there is something to write, or the end is near; never closed
	done chan struct{} // closed by end: the reader and the writer stop

	mu       sync.Mutex // guards the rest
	queue    []byte     // waiting for the writer
	last     bool       // nothing may be queued any more; the writer ends the connection when the queue is empty
	ended    bool
	cause    refusal
	err      error
	carrying map[carried]struct{} // transactions to be told of the end
	proofs   map[proof]bool       // see Flow.Proves
}

// carried is a transaction that lives on a connection.
type carried interface{ flowClosed(err error) }

func newConn(e *Endpoint, raw, stream net.Conn, f *Flow) *conn {
	c := &conn{endpoint: e, raw: raw, stream: stream, flow: f, wake: make(chan struct{}, 1), done: make(chan struct{}),
		carrying: map[carried]struct{}{}}
	if t, ok := stream.(*tls.Conn); ok {
		state := t.ConnectionState()
		c.tlsState = &state
	}
	c.heard.Store(time.Now().UnixNano())
	f.conn = c
	return c
}

func (c *conn) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.ended && !c.last
}

// failure says why the connection is gone.
func (c *conn) failure() *Failure {
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	if err == nil {
		err = ErrFlow
	}
	f := &Failure{Trunk: c.flow.trunk, Stage: StageClosed, Cause: classify(err), Err: err}
	if _, alert := remoteAlert(err); alert {
		f.Stage = StageHandshake // TLS 1.3: the remote judges our certificate after our side is done
	}
	return f
}

// carry registers a transaction; false when the connection is already gone.
func (c *conn) carry(t carried) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.carrying[t] = struct{}{}
	return true
}

func (c *conn) release(t carried) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.carrying, t)
}

// send queues octets for the writer. A remote that does not read fills the queue, and loses the connection.
func (c *conn) send(b []byte) error {
	c.mu.Lock()
	if c.ended || c.last {
		c.mu.Unlock()
		return ErrFlow
	}
	if len(c.queue)+len(b) > c.endpoint.limits.WriteQueue {
		c.mu.Unlock()
		c.end(writeOverflow, ErrOverflow)
		return ErrOverflow
	}
	c.queue = append(c.queue, b...)
	c.mu.Unlock()
	c.nudge()
	return nil
}

func (c *conn) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// end kills the connection at once, without waiting for anything. Only the first call counts.
func (c *conn) end(cause refusal, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended = true
	if !c.last { // else finish has said why
		c.cause, c.err = cause, err
	}
	close(c.done)
	_ = c.raw.Close() // unblocks the reader and the writer; what it says no longer matters
}

// finish lets the writer send what is queued, then ends the connection.
func (c *conn) finish(cause refusal, err error) {
	c.mu.Lock()
	if !c.last && !c.ended {
		c.last, c.cause, c.err = true, cause, err
	}
	c.mu.Unlock()
	c.nudge()
}

// keptQueue is how much room a connection's queue keeps for what comes next, in bytes.
const keptQueue = 8 << 10

// write is the writer: it sends what is queued, as much at a time as there is.
func (c *conn) write() {
	var spare []byte // what was written last, for the queue after the next
	for {
		c.mu.Lock()
		b, last := c.queue, c.last
		c.queue = spare[:0]
		c.mu.Unlock()
		if spare = b; cap(spare) > keptQueue {
			spare = nil // an idle connection keeps no large buffer
		}
		if len(b) > 0 {
			if err := c.writeAll(b); err != nil {
				c.end(writeTimeout, err)
				return
			}
			continue
		}
		if last {
			c.hangUp()
			return
		}
		select {
		case <-c.wake:
		case <-c.done:
			return
		}
	}
}

func (c *conn) writeAll(b []byte) error {
	if err := c.stream.SetWriteDeadline(time.Now().Add(c.endpoint.limits.Write)); err != nil {
		return err
	}
	_, err := c.stream.Write(b)
	return err
}

// hangUp says goodbye and leaves it to the reader to see the remote's: closing at once would reset the connection, and a remote that is still
// sending would lose our last answer.
func (c *conn) hangUp() {
	if half, ok := c.stream.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the remote may be gone already
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.raw.SetReadDeadline(time.Now().Add(linger))
}

// serve reads until the connection ends, and cleans up after it. started is when it was accepted or dialled.
func (c *conn) serve(started time.Time) {
	var writer sync.WaitGroup
	writer.Go(c.write)
	cause, err := c.read(started)
	if errors.Is(err, ErrMalformed) || c.leaving() { // finish was, or will be called: swallow what comes until hangUp's deadline
		_, _ = io.Copy(io.Discard, io.LimitReader(c.stream, lingerOctets))
	}
	c.end(cause, err)
	writer.Wait()
	c.endpoint.connectionEnded(c)
}

func (c *conn) leaving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last && !c.ended
}

// read hands messages on until the stream ends or can no longer be understood, and says why.
func (c *conn) read(started time.Time) (cause refusal, err error) {
	defer func() {
		if p := recover(); p != nil {
			cause, err = closedByUs, c.endpoint.recovered("connection", p)
		}
	}()
	f := framer{maxHeader: c.endpoint.limits.MaxHeader, maxMessage: c.endpoint.limits.MaxMessage}
	buf := make([]byte, readChunk)
	watch := readWatch{conn: c, first: c.accepted, started: started}
	for {
		if err := watch.arm(f.partial(), time.Now()); err != nil {
			return closedByRemote, err
		}
		n, err := c.stream.Read(buf)
		if n > 0 {
			c.heard.Store(time.Now().UnixNano())
		}
		f.write(buf[:n])
		for m := f.next(); m != nil; m = f.next() {
			if m.fault != nil && framingLost(m.fault.cause) {
				c.endpoint.lostFraming(c, m)
				return m.fault.cause, m.fault
			}
			watch.first = false
			watch.since = time.Time{}
			c.endpoint.arrived(c.flow, m)
		}
		c.pong(f.takePings())
		if err != nil {
			return watch.blame(err), err
		}
	}
}

// pong answers keep-alives: one CRLF for each double CRLF (RFC 5626 section 3.5.1).
func (c *conn) pong(pings int) {
	if pings == 0 {
		return
	}
	c.endpoint.metrics.keepAlives.Add(float64(pings))
	answer := make([]byte, 0, 2*pings)
	for range pings {
		answer = append(answer, '\r', '\n')
	}
	_ = c.send(answer) // a full queue ends the connection by itself
}

// readWatch sets the read deadlines of a connection. An idle one has none.
type readWatch struct {
	conn    *conn
	first   bool      // no complete message yet on an accepted connection
	started time.Time // of the connection
	since   time.Time // since when a message is incomplete; zero when none is
	partial bool      // which deadline is set
}

func (w *readWatch) arm(partial bool, now time.Time) error {
	w.conn.mu.Lock()
	defer w.conn.mu.Unlock()
	if w.conn.last {
		return nil // the last deadline is hangUp's
	}
	var deadline time.Time
	if w.first {
		deadline = w.started.Add(w.conn.endpoint.limits.FirstRequest)
	}
	w.partial = false
	if partial {
		if w.since.IsZero() {
			w.since = now
		}
		if until := w.since.Add(w.conn.endpoint.limits.Partial); deadline.IsZero() || until.Before(deadline) {
			deadline, w.partial = until, true
		}
	} else {
		w.since = time.Time{}
	}
	return w.conn.raw.SetReadDeadline(deadline)
}

// blame says why a read failed.
func (w *readWatch) blame(err error) refusal {
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded) && w.first && w.conn.tlsState != nil:
		return closedUnused
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return closedByRemote
	case w.partial:
		return partialTimeout
	default:
		return firstRequestTimeout
	}
}
