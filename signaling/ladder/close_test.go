package ladder

import (
	"errors"
	"fmt"
	"time"
)

// rest is how long nothing more may come after the last step: longer than every clock of a transaction (64*T1), and than a refresh.
const rest = 5 * time.Minute

// finish looks whether anything is left when a scenario is over.
func (p *player) finish() error {
	if err := p.quiet(); err != nil {
		return err
	}
	if n := p.server.Calls(); n > 0 && !p.stopped {
		return fmt.Errorf("%d calls are left", n)
	}
	if n := p.studio.open(); n > 0 {
		return fmt.Errorf("%d media sessions are open", n)
	}
	for _, name := range p.names() {
		if err := p.agents[name].settled(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := p.wait(rest); err != nil {
		return err
	}
	return p.empty()
}

// empty looks into the server's tables when every clock of a transaction has run out.
func (p *player) empty() error {
	if n := p.count("callseal_sip_transactions"); n != 0 {
		return fmt.Errorf("%v transactions are kept", n)
	}
	if n := p.count("callseal_calls_active"); n != 0 {
		return fmt.Errorf("%v calls are counted as active", n)
	}
	return nil
}

// settled tells what an agent still waits for, or got too often.
func (a *agent) settled() error {
	var faults []error
	for _, m := range a.sent {
		if m.lost || m.talk == nil {
			continue
		}
		seq, method := m.cseq()
		switch {
		case m.code() == 0 && method != "ACK" && len(m.finals) != 1 && !m.cut:
			faults = append(faults, fmt.Errorf("%d final answers to %s %d", len(m.finals), method, seq))
		case m.code()/100 == 2 && method == "INVITE" && !m.acked:
			faults = append(faults, fmt.Errorf("no ACK of the %d to INVITE %d with tag %s", m.code(), seq, m.toTag()))
		}
	}
	for _, t := range a.calls {
		for _, d := range t.dialogs {
			if (d.up || d.heard) && d.byeSent+d.byeGot == 0 && !a.away {
				faults = append(faults, fmt.Errorf("no BYE in call %d, dialog %s %s", t.number, d.local, d.remote))
			}
		}
	}
	return errors.Join(faults...)
}
