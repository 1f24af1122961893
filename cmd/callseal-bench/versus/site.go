package versus

import "os"

// site is where a comparison takes place: a folder of its own, the house in it
// that the servers are started from, and the core that they are pinned to.
type site struct {
	dir   string
	house *house
	core  int // -1: any
}

// openSite makes it, and the paths of the programs absolute. close takes it
// away again.
func openSite(suites [2]string, unpinned bool, programs ...*string) (s site, err error) {
	if s.dir, err = os.MkdirTemp("", "callseal-bench"); err != nil {
		return s, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.house, err = furnish(s.dir, suites); err != nil {
		return s, err
	}
	for _, p := range programs {
		if *p, err = absolute(*p); err != nil {
			return s, err
		}
	}
	s.core = -1
	if !unpinned {
		s.core, err = splitCores()
	}
	return s, err
}

func (s site) close() { _ = os.RemoveAll(s.dir) }
