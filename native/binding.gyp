{
  'targets': [
    {
      'target_name': 'sandpoll',
      'sources': [
        'addon.cc',
        'probe.cc',
        'core/bytes.cc',
        'core/channels.cc',
        'core/confine.cc',
        'core/epoll.cc',
        'core/files.cc',
        'core/handles.cc',
        'core/lookups.cc',
        'core/paths.cc',
        'core/sessions.cc',
        'core/signals.cc',
        'core/sockets.cc',
        'core/syscalls.cc',
        'core/time.cc',
        'core/timers.cc',
        'core/wait.cc',
      ],
      'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': [
        'NAPI_VERSION=8',
        'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags!': ['-O3', '-O0'],
      'cflags': ['-O2', '-flto', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++17', '-fno-exceptions', '-fno-rtti', '-fvisibility-inlines-hidden'],
      # Worker threads come and go; the table of handles and the signal handler stay.
      'ldflags': ['-O2', '-flto', '-Wl,-z,nodelete'],
    },
  ],
}
