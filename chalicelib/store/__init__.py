"""Persist: the only package that knows the table.

One table, two string keys. What stands where:

====================  ======================  ====================================================================
``pk``                ``sk``                  what
====================  ======================  ====================================================================
``J#<journey>``       ``STATE``               the journey, its version, and (sparse index) its next wake-up
``J#<journey>``       ``FACT#<event id>``     what happened, in the form of its time; its presence ends duplicates
``J#<journey>``       ``EFFECT#<key>``        what is owed, until it is settled; (sparse index) when to look again
``J#<journey>``       ``TODO#<kind>#<key>``   something that needs a person; blank once it is settled
``P#<person>``        ``STATE``               the person and their version
``P#<person>``        ``FACT#…``, ``EFFECT#`` as for journeys
``P#<person>``        ``J#<journey>``         the person's journeys, open or not
``P#<person>``        ``NAME#<number>``, ``ADDRESS#<sha256>``  by what the person is found (`store/index.py`)
``P#<person>``        ``ERASURE``             how far their last erasure has come
``SCORES#<day>``      ``s…``                  one anonymous answer of somebody who was erased
``ADDRESS#<sha256>``  ``SUPPRESSED``          an address (in lower case) that gets no mail, and why
``ADDRESS#<sha256>``  ``SPENT#<day>``         how many automatic mails it has had on a day of UTC
``MAIL#<0 to 3>``     ``HOUR#<hour>#<0..3>``  how many mails were sent, came back, were complained of in an hour
``MAIL#<0 to 3>``     ``SPENT#<day>#<0..3>``  how many automatic mails the deployment has sent on a day of UTC
``MAIL#STATE``        …                       what was announced to a lead; how far the suppression list was read
``CASE#<source>|<id>``  ``STATE``             the epochs of a case, for sources that do not number them
``DOC#<kind>``        ``V#<number>``          the versions of a document
``DOC``               ``ACTIVE``              which version of each kind is active, and which is the newest
``DECOY#<journey>``   ``<subject>#<client>``  when a link that no person can see was last opened; expires
``DEAD#<sha256>``     ``BODY``                a message that nobody could deal with; expires
``MEMBER#<staff id>``  ``ACCESS``, ``EFFECT#``  sign-outs everywhere; mails to sign in by, while owed
``SIGN-IN#<id>``      ``STATE``               a link that was asked for, and when it was used
``SIGN-INS#<sha256>``  ``<hour>``             how many links were asked for at an address in an hour
``SESSION#<sha256>``  ``STATE``               a browser that is signed in
``KEYS``              ``KEY#<id>``            the API keys
``CALL#<sha256>``     ``STATE``               a call with an idempotency key, and its reply
``AUDIT#<day>``       ``<instant>#<id>``      who saw, changed, sent, spent, exported what
``AUDIT-OF#<what>``   ``<instant>#<id>``      the same entries again, by what they are about
``TALLY#<shard>``,    …                       what facts change in the figures, and the figures added up from it:
``CUBE#…``              …                       `figures.py`
``DEPLOYMENT``        …                       state, choices and lock of `make deploy` (`infra/deployed.py`)
====================  ======================  ====================================================================

What carries ``expires_at`` (seconds since 1970) is deleted by DynamoDB some time after it.

Index ``due``: ``due_shard`` and ``due_at``, on states that wait and effects that are owed; nothing else is in it, so
finding what was missed costs nothing that grows with idle journeys.

Indexes ``all``, ``kind`` and ``about``: the lists of the console (`store/index.py`).
"""
