package e2e

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

// onlyReads is what callseal may ask a database.
var onlyReads = regexp.MustCompile(`^(START TRANSACTION READ ONLY|SELECT .* LIMIT \d+|ROLLBACK)$`)

// TestDirectory: callseal reads VICIdial's phones of a real MariaDB, whatever its version's columns are, and never writes.
func TestDirectory(t *testing.T) {
	needPeers(t)
	one, two, other := address(), address(), address()
	phones := []string{
		addPhone("101", one, "101a", "bench-secret-101"), addPhone("101", two, "101b", "bench-secret-101"), addPhone("102", one, "102", "test"),
		addPhone("103", other, "103", "bench-secret-103"), addPhone("104", one, "104", ""), addPhone("201", two, "201", "bench-secret-201"),
		"INSERT INTO phones SET extension = '900', server_ip = '" + one.String() + "', active = 'N', conf_secret = 'bench-secret-900'",
		"INSERT INTO phones SET extension = '901', server_ip = '" + one.String() + "', protocol = 'IAX2', conf_secret = 'bench-secret-901'",
		"INSERT INTO phones_alias SET alias_id = 'agent1', logins_list = '101a, 101b'",
		fmt.Sprintf("INSERT INTO servers SET server_id = 'one', server_ip = '%s'", one),
	}
	for _, secret := range []string{"101", "103", "201", "900", "901"} {
		collected.secret("bench-secret-"+secret, "a phone's password")
	}
	for _, row := range []struct {
		name   string
		change []string // of the newest schema
		want   []string // of callseal's log
	}{
		{"all columns", nil, []string{"phones read|phones=6 accounts=5 aliases=1", "conf_secret that VICIdial gives|count=1", "no conf_secret|count=1", "no dialer here|count=1"}},
		{"no table of aliases", []string{"DROP TABLE phones_alias"}, []string{"phones read|phones=6 accounts=4 aliases=0"}},
		{"no table of servers", []string{"DROP TABLE servers"}, []string{"phones read|phones=6 accounts=5"}},
		{"a switched off server", []string{"UPDATE servers SET active = 'N'"}, []string{"phones read|phones=6 accounts=3 aliases=1"}},
		{"neither active nor protocol", []string{"ALTER TABLE phones DROP COLUMN active, DROP COLUMN protocol"}, []string{"phones read|phones=8 accounts=7"}},
		{"no login", []string{"ALTER TABLE phones DROP COLUMN login", "UPDATE phones_alias SET logins_list = '101,201'"}, []string{"phones read|phones=6 accounts=5 aliases=1"}},
		{"no external address", []string{"ALTER TABLE servers DROP COLUMN external_server_ip, DROP COLUMN active"}, []string{"phones read|phones=6 accounts=5"}},
		{"no conf_secret", []string{"ALTER TABLE phones DROP COLUMN conf_secret"}, []string{"phones read|phones=6 accounts=5", "no conf_secret|count=5"}},
		{"no server_ip", []string{"ALTER TABLE phones DROP INDEX extenserver, DROP COLUMN server_ip"}, []string{"cannot be read|no table phones with the columns extension and server_ip|has to be the database of VICIdial"}},
		{"no grant", []string{"REVOKE SELECT ON asterisk.* FROM callseal@'%'", "GRANT SELECT ON asterisk.servers TO callseal@'%'"}, []string{"cannot be read|no table phones with the columns"}},
		{"another password", []string{"SET PASSWORD FOR callseal@'%' = PASSWORD('another')"}, []string{"cannot be read|Access denied|grant SELECT"}},
		{"a phone beyond all bounds", []string{"INSERT INTO phones (extension, server_ip) SELECT seq, '" + one.String() + "' FROM seq_10000_to_30001"},
			[]string{"phones read|phones=20000", "beyond what is read of a table"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			db := startMariaDB(t)
			db.do(t, vicidial()...)
			db.do(t, phones...)
			db.do(t, row.change...)
			s := startSBC(t, address(), newAuthority(t, "ca"), sbcConfig{
				trunks: []trunk{
					{role: "dialer", name: "dialer1", remote: netip.AddrPortFrom(one, 5061), calls: true},
					{role: "dialer", name: "dialer2", remote: netip.AddrPortFrom(two, 5061), calls: true},
				},
				routes: []string{"phone dialer1"},
				phones: "registrar: local, " + db.yaml(t),
			})
			for _, want := range row.want {
				s.logLine(t, strings.Split(want, "|")...)
			}
			asked := db.asked(t)
			if len(asked) < 3 && row.name != "another password" {
				t.Errorf("callseal asked only %q", asked)
			}
			for _, query := range asked {
				if !onlyReads.MatchString(query) {
					t.Errorf("callseal asks %q", query)
				}
			}
		})
	}
}
