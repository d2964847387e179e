# Carries one connection between standard input and output and the server's port, until either side ends.
use strict;
use IO::Socket::INET;
my $server = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $ARGV[0]);
if (!$server) { print STDERR "127.0.0.1:$ARGV[0]: $!\n"; exit 97; }
my %to = (fileno(STDIN) => $server, fileno($server) => \*STDOUT);
my %from = (fileno(STDIN) => \*STDIN, fileno($server) => $server);
while (1) {
    my $ready = "";
    vec($ready, $_, 1) = 1 for keys %from;
    next if select($ready, undef, undef, undef) < 0;
    for my $end (grep { vec($ready, $_, 1) } keys %from) {
        my $size = sysread($from{$end}, my $data, 65536);
        exit 0 if !$size;
        for (my $done = 0; $done < $size;) {
            my $part = syswrite($to{$end}, $data, $size - $done, $done);
            exit 0 if !defined $part;
            $done += $part;
        }
    }
}
