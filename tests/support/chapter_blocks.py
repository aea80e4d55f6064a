"""What the chapter shows that its commands print, copied from it."""

REALS_STATIC = """\
real                farm name          weight  state          conns
-------------------------------------------------------------------
10.1.1.51           HAFARM             1       OPERATIONAL    2
10.1.1.52           HAFARM             1       OPERATIONAL    2
"""

REALS_DFP = """\
real                farm name          weight  state          conns
-------------------------------------------------------------------
10.1.1.51           HAFARM             24      OPERATIONAL    50
10.1.1.52           HAFARM             24      OPERATIONAL    50
"""

SESSIONS = """\
vserver          NAI hash          client          real          state
----------------------------------------------------------------------
MIPSLB          A984DF0A00000000 15.1.1.51      10.1.1.52    IPMOBILE_ESTAB
MIPSLB          1DC0E31400000000 15.1.1.51      10.1.1.52    IPMOBILE_ESTAB
MIPSLB          2BDEE91100000000 15.1.1.51      10.1.1.51    IPMOBILE_ESTAB
MIPSLB          47E2FD1B00000000 15.1.1.51      10.1.1.51    IPMOBILE_ESTAB
"""

DFP_WEIGHTS = """\
Real IP Address: 10.1.1.51 Protocol: UDP Port: 434 Bind_ID: 65535 Weight: 25
Set by Agent 10.1.1.51:500 at 14:59:23 UTC 04/21/03
Real IP Address: 10.1.1.52 Protocol: UDP Port: 434 Bind_ID: 65535 Weight: 25
Set by Agent 10.1.1.52:500 at 14:59:15 UTC 04/21/03
"""

DEBUG_REQUEST = """\
*Apr 21 15:26:03: SLB_SESSION_IPMOBILE: client = 15.1.1.51, NAI:
mwts-mip-np-user1@ispxyz.com, length: 28
*Apr 21 15:26:03: SLB_SESSION_IPMOBILE: event= IPMOBILE_REQ_REQUEST, state= IPMOBILE_INIT
-> IPMOBILE_ESTAB
*Apr 21 15:26:03: SLB_SESSION: v_ip= 15.1.1.10:434 ( 7), real= 10.1.1.51, NAT= S
*Apr 21 15:26:03: SLB_SESSION: client= 15.1.1.51:434 session_key= 47E2FD1B00000000
"""

DEBUG_TIMEOUT = """\
*Jul 1 05:25:25.513: SLB_SESSION_IPMOBILE: event= IPMOBILE_TIMEOUT, state= IPMOBILE_ESTAB
-> IPMOBILE_INIT
*Jul 1 05:25:25.513: SLB_SESSION: v_ip= 15.1.1.10:434 ( 7), real= 10.1.1.51, NAT= S
*Jul 1 05:25:25.513: SLB_SESSION: client= 15.1.1.51:434 session_key= 47E2FD1B00000000
"""
