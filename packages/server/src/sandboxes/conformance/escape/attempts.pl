# Tries what leads out of a sandbox, as somebody may who can run any program in it. Arguments: pid=<a process of the host>,
# and <system call>=<its number>. Prints a line for each attempt: its name, and `done` or why not.
# Harmless where nothing forbids it: calls get arguments that the kernel refuses only after it has asked who calls.
use strict;
use warnings;
use Errno ();
use POSIX ();

my %number = map { split /=/, $_, 2 } @ARGV;
my $pid = delete $number{pid};
$| = 1;

sub outcome {
    return 'done' if shift;
    my @names = sort grep { $!{$_} } keys %!;
    return $names[0] // $! + 0;
}

# In a process of its own: some calls change it, and a filter may end it.
sub attempt {
    my ( $name, $try ) = @_;
    my $child = fork // die "fork: $!";
    if ( !$child ) {
        POSIX::setsid();
        local $SIG{HUP} = 'IGNORE';    # comes when a terminal of ours is closed
        print "$name ", outcome( $try->() ), "\n";
        POSIX::_exit(0);
    }
    waitpid $child, 0;
    print "$name killed\n" if $? & 127;
}

my %own = map { $_ => delete $number{$_} } qw(ptrace process_vm_readv pidfd_open clone ioctl);

for my $name ( sort keys %number ) {
    attempt( "call.$name", sub { syscall( $number{$name}, (-1) x 6 ) >= 0 } );
}

# A namespace, by flags that the kernel refuses together once it has looked at them: with the file system shared.
attempt( "clone.user", sub { syscall( $own{clone}, 0x10000000 | 0x200, 0, 0, 0, 0 ) >= 0 } );

for my $family ( 1 .. 63 ) {
    my @types = grep { socket my $socket, $family, $_, 0 } 1 .. 5;
    print "family.$family done\n" if @types;
}
attempt( 'netlink.generic', sub { socket my $socket, 16, 3, 16 } );

# A terminal of its own, into which it types: with `rubbish`, in a number of 64 bits that means the same to the kernel.
for my $rubbish ( 0, 1 ) {
    attempt(
        "terminal.$rubbish",
        sub {
            open my $main, '+<', '/dev/ptmx' or return 0;
            my ( $unlock, $index ) = ( pack( 'i', 0 ), pack( 'i', 0 ) );
            ioctl $main, 0x40045431, $unlock or return 0;
            ioctl $main, 0x80045430, $index  or return 0;
            open my $terminal, '+<', '/dev/pts/' . unpack( 'i', $index ) or return 0;
            my $typed = 'x';
            return syscall( $own{ioctl}, fileno $terminal, 0x5412 + $rubbish * 2**32, $typed ) >= 0;
        }
    );
}

attempt( 'process.signal', sub { kill 0, $pid } );
attempt( 'process.open',   sub { syscall( $own{pidfd_open}, $pid + 0, 0 ) >= 0 } );
attempt( 'process.trace',  sub { syscall( $own{ptrace}, 0x4206, $pid + 0, 0, 0 ) >= 0 } );
attempt( 'process.memory', sub { open my $memory, '+<', "/proc/$pid/mem" } );
attempt( 'process.folder', sub { opendir my $folder, "/proc/$pid/root" } );
attempt(
    'process.read',
    sub {
        my $page  = "\0" x 8;
        my $local = pack( 'P Q', $page, 8 );
        my $there = pack( 'Q Q', 0, 8 );
        # Nothing lies at address 0: whoever may look is told so.
        return syscall( $own{process_vm_readv}, $pid + 0, $local, 1, $there, 1, 0 ) >= 0 || $!{EFAULT};
    }
);

