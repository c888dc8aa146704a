/** Files and directories, in the directories that guests.test.ts grants. */

import {
  ByteBuffer,
  Directory,
  DirectoryEntry,
  Errno,
  File,
  FileStat,
  Filetype,
  NS_PER_S,
  Open,
  Whence,
  errnoName,
  link,
  lstat,
  mkdir,
  readDir,
  readFile,
  readText,
  readlink,
  realtimeNs,
  rename,
  rmdir,
  stat,
  symlink,
  unlink,
  writeFile,
  writeText,
} from 'sandpoll/guest';
import { check, checkSame, checkText, finish } from './lib/check';

const BYTES: usize = memory.data(64);
const status = new FileStat();

function checkErrno(result: i64, errno: i32, sentence: string): void {
  checkText(result < 0 ? errnoName(<i32>-result) : result.toString(), errnoName(errno), sentence);
}

function checkOpens(path: string, contents: string): void {
  const text = readText(path);
  checkText(text === null ? 'nothing' : text, contents, path);
}

function checkOpenFails(path: string, flags: i32, errno: i32): void {
  const file = File.open(path, flags);
  checkErrno(file.fd, errno, path + ' opened with ' + flags.toString());
  check(!file.isOpen, path + ' is not open');
  file.close();
}

/** Paths begin with a granted directory, the longest that there is. */
function testPaths(): void {
  checkOpens('/data/hello.txt', 'hello\n');
  checkOpens('data/hello.txt', 'hello\n');
  checkOpens('./data/hello.txt', 'hello\n');
  checkOpens('//data/.//./hello.txt', 'hello\n');
  checkOpens('/data/inner/../hello.txt', 'hello\n');
  checkOpens('/data/other/else.txt', 'else\n');
  checkOpens('/readonly/hello.txt', 'hello\n');
  checkOpenFails('/data/other/hello.txt', Open.RDONLY, Errno.NOENT);
  checkOpenFails('/data/hello.txt/', Open.RDONLY, Errno.NOTDIR);
  checkOpenFails('/database/hello.txt', Open.RDONLY, Errno.NOTCAPABLE);
  checkOpenFails('hello.txt', Open.RDONLY, Errno.NOTCAPABLE);
  checkOpenFails('/', Open.RDONLY, Errno.NOTCAPABLE);
  checkOpenFails('', Open.RDONLY, Errno.NOENT);
  checkOpenFails('/data/../data/hello.txt', Open.RDONLY, Errno.PERM);
  checkSame(stat('/data', status), 0, 'a granted directory');
  checkSame(status.filetype, Filetype.DIRECTORY, 'is a directory');
  checkSame(stat('data/./', status), 0, 'a granted directory with a slash');
  checkErrno(rename('/none/a', '/data/a'), Errno.NOTCAPABLE, 'a rename from nowhere');
  checkErrno(rename('/data/hello.txt', '/none/a'), Errno.NOTCAPABLE, 'a rename to nowhere');
}

function testOpen(): void {
  const path = '/data/opened';
  checkOpenFails(path, Open.RDWR, Errno.NOENT);
  const file = File.open(path, Open.RDWR | Open.CREAT | Open.EXCL);
  check(file.isOpen, 'EXCL makes a file');
  checkSame(file.write(changetype<usize>('abcdef'), 12), 12, 'a write');
  checkSame(file.close(), 0, 'a close');
  checkErrno(file.fd, Errno.BADF, 'what is closed');
  checkErrno(file.read(BYTES, 1), Errno.BADF, 'a read of what is closed');
  checkErrno(file.close(), Errno.BADF, 'a second close');
  checkOpenFails(path, Open.RDWR | Open.CREAT | Open.EXCL, Errno.EXIST);
  checkOpenFails(path, Open.DIRECTORY, Errno.NOTDIR);
  checkOpenFails('/data/inner', Open.WRONLY, Errno.ISDIR);
  const appended = File.open(path, Open.WRONLY | Open.APPEND | Open.SYNC);
  checkSame(appended.writeAll(changetype<usize>('gh'), 4), 4, 'an appended write');
  checkErrno(appended.read(BYTES, 1), Errno.BADF, 'a read of what is only written');
  checkSame(appended.size(), 16, 'the size after it');
  appended.close();
  const read = File.open(path);
  checkErrno(read.write(BYTES, 1), Errno.BADF, 'a write of what is only read');
  read.close();
  const emptied = File.open(path, Open.WRONLY | Open.TRUNC | Open.DSYNC);
  checkSame(emptied.size(), 0, 'TRUNC');
  emptied.close();
  checkSame(unlink(path), 0, 'unlink');
}

/** Positions, and offsets beyond 32 bits. */
function testPositions(): void {
  const path = '/data/positions';
  const far: i64 = 5_000_000_000;
  const file = File.open(path, Open.RDWR | Open.CREAT);
  store<u64>(BYTES, 0x6867666564636261);
  checkSame(file.write(BYTES, 8), 8, 'write');
  checkSame(file.seek(0, Whence.CUR), 8, 'the position after a write');
  checkSame(file.seek(-6, Whence.END), 2, 'a position from the end');
  checkSame(file.read(BYTES + 8, 4), 4, 'read');
  checkSame(load<u32>(BYTES + 8), 0x66656463, 'what is read');
  checkSame(file.pread(BYTES + 8, 8, 6), 2, 'pread at the end');
  checkSame(load<u16>(BYTES + 8), 0x6867, 'what pread reads');
  checkSame(file.seek(0, Whence.CUR), 6, 'pread leaves the position');
  checkErrno(file.seek(-1), Errno.INVAL, 'a negative position');
  checkSame(file.pwrite(BYTES, 2, far), 2, 'pwrite far away');
  checkSame(file.size(), far + 2, 'the size far away');
  checkSame(file.seek(far), far, 'a position far away');
  checkSame(file.read(BYTES + 8, 8), 2, 'read far away');
  checkSame(file.read(BYTES + 8, 8), 0, 'the end');
  checkErrno(readFile(path, new ByteBuffer()), Errno.FBIG, 'too much for one buffer');
  checkSame(file.truncate(3), 0, 'truncate');
  checkSame(file.sync(), 0, 'sync');
  checkSame(file.datasync(), 0, 'datasync');
  checkSame(file.stat(status), 0, 'fstat');
  checkSame(status.size, 3, 'the size after truncate');
  file.close();
  checkOpens(path, 'abc');
  unlink(path);
}

function testContents(): void {
  const path = '/data/contents';
  const text = 'grüße, \u{1F600}\n';
  checkSame(writeText(path, text), String.UTF8.byteLength(text), 'writeText');
  checkOpens(path, text);
  const buffer = new ByteBuffer();
  buffer.appendAscii('before ');
  for (let i = 0; i < 100_000; i++) buffer.appendByte(i);
  checkSame(writeFile(path, buffer.at, buffer.length), 100_007, 'writeFile');
  const again = new ByteBuffer();
  again.appendAscii('kept ');
  checkSame(readFile(path, again), 100_007, 'readFile');
  checkSame(again.length, 100_012, 'readFile appends');
  checkSame(memory.compare(again.at + 5, buffer.at, 100_007), 0, 'what readFile reads');
  checkSame(writeFile(path, BYTES, 0), 0, 'writeFile of nothing');
  checkSame(readFile(path, again), 0, 'readFile of nothing');
  checkErrno(readFile('/data/none', again), Errno.NOENT, 'readFile of what is not there');
  check(readText('/data/none') === null, 'readText of what is not there');
  check(readFile('/data/inner', again) < 0, 'readFile of a directory');
  checkErrno(writeText('/data/none/a', 'a'), Errno.NOENT, 'writeText in what is not there');
  buffer.free();
  again.free();
  unlink(path);
}

function testStatus(): void {
  const path = '/data/status';
  writeText(path, '12345');
  checkSame(stat(path, status), 0, 'stat');
  checkSame(status.filetype, Filetype.REGULAR_FILE, 'the type');
  checkSame(status.size, 5, 'the size');
  checkSame(status.nlink, 1, 'the links');
  const age = realtimeNs() - status.mtim;
  check(age > -NS_PER_S && age < 60 * NS_PER_S, 'the time of the change, ' + age.toString());
  const ino = status.ino;
  checkSame(link(path, '/data/linked'), 0, 'link');
  checkSame(lstat('/data/linked', status), 0, 'lstat of a link');
  checkSame(status.ino, ino, 'the same file');
  checkSame(status.nlink, 2, 'with two names');
  checkSame(symlink('status', '/data/pointer'), 0, 'symlink');
  checkSame(stat('/data/pointer', status), 0, 'stat follows');
  checkSame(status.size, 5, 'to the file');
  checkSame(lstat('/data/pointer', status), 0, 'lstat does not follow');
  checkSame(status.filetype, Filetype.SYMBOLIC_LINK, 'a symbolic link');
  checkOpenFails('/data/pointer', Open.NOFOLLOW, Errno.LOOP);
  const target = readlink('/data/pointer');
  checkText(target === null ? 'none' : target, 'status', 'readlink');
  check(readlink(path) === null, 'readlink of a file');
  checkErrno(symlink('/etc/passwd', '/data/absolute'), Errno.PERM, 'an absolute target');
  checkSame(symlink('../outside.txt', '/data/out'), 0, 'a target outside, as text');
  checkOpenFails('/data/out', Open.RDONLY, Errno.PERM);
  unlink('/data/out');
  unlink('/data/pointer');
  unlink('/data/linked');
  unlink(path);
}

/** A directory of which one buffer holds only a part. */
function testLargeDirectory(): void {
  const count = 600;
  checkSame(mkdir('/data/large'), 0, 'mkdir');
  for (let i = 0; i < count; i++) {
    writeFile('/data/large/' + 'n'.repeat(i % 200) + i.toString(), BYTES, 0);
  }
  const directory = Directory.open('/data/large');
  check(directory.isOpen, 'a large directory opens');
  for (let round = 0; round < 2; round++) {
    let sum = 0;
    let entries = 0;
    let result = directory.next();
    for (; result > 0; result = directory.next()) {
      const name = directory.name;
      const number = I32.parseInt(name.substring(name.lastIndexOf('n') + 1));
      check(name == 'n'.repeat(number % 200) + number.toString(), 'a name: ' + name);
      checkSame(directory.type, Filetype.REGULAR_FILE, name);
      sum += number;
      entries += 1;
    }
    checkSame(result, 0, 'its end');
    checkSame(directory.next(), 0, 'its end, again');
    checkSame(entries, count, 'all entries');
    checkSame(sum, (count * (count - 1)) / 2, 'each of them once');
    directory.rewind();
  }
  checkSame(directory.close(), 0, 'it closes');
  checkErrno(directory.next(), Errno.BADF, 'what is closed has no entries');
  const entries = new Array<DirectoryEntry>();
  checkSame(readDir('/data/large', entries), count, 'readDir');
  checkErrno(rmdir('/data/large'), Errno.NOTEMPTY, 'rmdir of what is not empty');
  for (let i = 0; i < entries.length; i++) unlink('/data/large/' + entries[i].name);
  checkSame(readDir('/data/large', entries), 0, 'readDir of what is empty');
  checkSame(entries.length, count, 'readDir appends');
  checkSame(rmdir('/data/large'), 0, 'rmdir');
}

function testNames(): void {
  const entries = new Array<DirectoryEntry>();
  checkSame(readDir('/data/other', entries), 1, 'readDir of a granted directory');
  checkText(entries[0].name, 'else.txt', 'its entry');
  checkErrno(readDir('/data/none', entries), Errno.NOENT, 'readDir of what is not there');
  checkErrno(readDir('/data/hello.txt', entries), Errno.NOTDIR, 'readDir of a file');
  checkErrno(mkdir('/data/inner'), Errno.EXIST, 'mkdir of what is there');
  checkErrno(unlink('/data/inner'), Errno.ISDIR, 'unlink of a directory');
  checkErrno(rmdir('/data/hello.txt'), Errno.NOTDIR, 'rmdir of a file');
  checkSame(writeText('/data/new', 'new'), 3, 'a new file');
  writeText('/data/old', 'old');
  checkSame(rename('/data/new', '/data/old'), 0, 'rename over a file');
  checkOpens('/data/old', 'new');
  checkSame(rename('/data/old', '/data/other/moved'), 0, 'rename to another grant');
  checkOpens('/data/other/moved', 'new');
  checkSame(unlink('/data/other/moved'), 0, 'unlink');
  checkErrno(unlink('/data/other/moved'), Errno.NOENT, 'unlink of what is gone');
}

function testReadOnly(): void {
  checkOpenFails('/readonly/hello.txt', Open.WRONLY, Errno.ROFS);
  checkOpenFails('/readonly/new', Open.RDWR | Open.CREAT, Errno.ROFS);
  checkErrno(mkdir('/readonly/new'), Errno.ROFS, 'mkdir');
  checkErrno(unlink('/readonly/hello.txt'), Errno.ROFS, 'unlink');
  checkErrno(rename('/data/hello.txt', '/readonly/new'), Errno.ROFS, 'rename');
  checkErrno(link('/readonly/hello.txt', '/data/new'), Errno.ROFS, 'link');
  checkErrno(symlink('a', '/readonly/new'), Errno.ROFS, 'symlink');
  checkErrno(rmdir('/readonly/inner'), Errno.ROFS, 'rmdir');
}

testPaths();
testOpen();
testPositions();
testContents();
testStatus();
testLargeDirectory();
testNames();
testReadOnly();
finish();
