"""In-memory stand-ins for the AWS clients that Aftercare uses, as strict as AWS or stricter.

They stand at the level of the boto3 clients: the same method names, keyword arguments, response dictionaries and
`botocore.exceptions.ClientError` codes, and no network. `Account` is one whole account.
"""

from local.aws.account import Account

__all__ = ["Account"]
