"""The keyword arguments of the operations that the stand-ins know, in boto3's names; anything else is refused.

Source: botocore's service models. An argument that is here but that a stand-in does not act on changes nothing that
can be
seen through these clients, such as tags or encryption at rest.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Required, TypeAlias, TypedDict

from local.aws.values import AttributeValue, Item

Document: TypeAlias = Mapping[str, Any]


class TableName(TypedDict):
    """A table."""

    TableName: str


class CreateTable(TypedDict, total=False):
    """DynamoDB CreateTable."""

    TableName: Required[str]
    KeySchema: Required[Sequence[Document]]
    AttributeDefinitions: Required[Sequence[Document]]
    GlobalSecondaryIndexes: Sequence[Document]
    BillingMode: str
    ProvisionedThroughput: Document
    OnDemandThroughput: Document
    StreamSpecification: Document
    SSESpecification: Document
    Tags: Sequence[Document]
    TableClass: str
    DeletionProtectionEnabled: bool


class Expressions(TypedDict, total=False):
    """What placeholders mean, and what to report."""

    ExpressionAttributeNames: Mapping[str, str]
    ExpressionAttributeValues: Mapping[str, AttributeValue]
    ReturnConsumedCapacity: str


class Write(Expressions, total=False):
    """What all single writes share."""

    TableName: Required[str]
    ConditionExpression: str
    ReturnValues: str
    ReturnItemCollectionMetrics: str
    ReturnValuesOnConditionCheckFailure: str


class PutItem(Write):
    """DynamoDB PutItem."""

    Item: Required[Item]


class DeleteItem(Write):
    """DynamoDB DeleteItem."""

    Key: Required[Item]


class UpdateItem(Write, total=False):
    """DynamoDB UpdateItem."""

    Key: Required[Item]
    UpdateExpression: str


class GetItem(TypedDict, total=False):
    """DynamoDB GetItem."""

    TableName: Required[str]
    Key: Required[Item]
    ConsistentRead: bool
    ProjectionExpression: str
    ExpressionAttributeNames: Mapping[str, str]
    ReturnConsumedCapacity: str


class Read(Expressions, total=False):
    """What Query and Scan share."""

    TableName: Required[str]
    IndexName: str
    FilterExpression: str
    ProjectionExpression: str
    Select: str
    Limit: int
    ExclusiveStartKey: Item
    ConsistentRead: bool


class Query(Read, total=False):
    """DynamoDB Query."""

    KeyConditionExpression: Required[str]
    ScanIndexForward: bool


class Scan(Read, total=False):
    """DynamoDB Scan."""

    Segment: int
    TotalSegments: int


class BatchGetItem(TypedDict, total=False):
    """DynamoDB BatchGetItem."""

    RequestItems: Required[Mapping[str, Document]]
    ReturnConsumedCapacity: str


class BatchGetKeys(TypedDict, total=False):
    """One table's part of BatchGetItem."""

    Keys: Required[Sequence[Item]]
    ConsistentRead: bool
    ProjectionExpression: str
    ExpressionAttributeNames: Mapping[str, str]


class BatchWriteItem(TypedDict, total=False):
    """DynamoDB BatchWriteItem."""

    RequestItems: Required[Mapping[str, Sequence[Document]]]
    ReturnConsumedCapacity: str
    ReturnItemCollectionMetrics: str


class TransactWriteItems(TypedDict, total=False):
    """DynamoDB TransactWriteItems."""

    TransactItems: Required[Sequence[Document]]
    ClientRequestToken: str
    ReturnConsumedCapacity: str
    ReturnItemCollectionMetrics: str


class TransactGetItems(TypedDict, total=False):
    """DynamoDB TransactGetItems."""

    TransactItems: Required[Sequence[Document]]
    ReturnConsumedCapacity: str


class Action(TypedDict, total=False):
    """What all actions of a transaction share."""

    TableName: Required[str]
    ConditionExpression: str
    ExpressionAttributeNames: Mapping[str, str]
    ExpressionAttributeValues: Mapping[str, AttributeValue]
    ReturnValuesOnConditionCheckFailure: str


class PutAction(Action):
    """A Put in a transaction."""

    Item: Required[Item]


class DeleteAction(Action):
    """A Delete in a transaction."""

    Key: Required[Item]


class UpdateAction(Action):
    """An Update in a transaction."""

    Key: Required[Item]
    UpdateExpression: Required[str]


class CheckAction(Action):
    """A ConditionCheck in a transaction."""

    Key: Required[Item]
    ConditionExpression: Required[str]  # type: ignore[misc]


class GetAction(TypedDict, total=False):
    """A Get in a transaction."""

    TableName: Required[str]
    Key: Required[Item]
    ProjectionExpression: str
    ExpressionAttributeNames: Mapping[str, str]


class UpdateTimeToLive(TypedDict):
    """DynamoDB UpdateTimeToLive."""

    TableName: str
    TimeToLiveSpecification: Document


class CreateQueue(TypedDict, total=False):
    """SQS CreateQueue."""

    QueueName: Required[str]
    Attributes: Mapping[str, str]
    tags: Mapping[str, str]


class GetQueueUrl(TypedDict, total=False):
    """SQS GetQueueUrl."""

    QueueName: Required[str]
    QueueOwnerAWSAccountId: str


class QueueUrl(TypedDict):
    """A queue."""

    QueueUrl: str


class GetQueueAttributes(TypedDict, total=False):
    """SQS GetQueueAttributes."""

    QueueUrl: Required[str]
    AttributeNames: Sequence[str]


class SetQueueAttributes(TypedDict):
    """SQS SetQueueAttributes."""

    QueueUrl: str
    Attributes: Mapping[str, str]


class ListQueues(TypedDict, total=False):
    """SQS ListQueues."""

    QueueNamePrefix: str
    MaxResults: int
    NextToken: str


class SendMessage(TypedDict, total=False):
    """SQS SendMessage."""

    QueueUrl: Required[str]
    MessageBody: Required[str]
    DelaySeconds: int
    MessageAttributes: Mapping[str, Document]
    MessageSystemAttributes: Mapping[str, Document]


class Batch(TypedDict):
    """SQS SendMessageBatch and DeleteMessageBatch."""

    QueueUrl: str
    Entries: Sequence[Document]


class ReceiveMessage(TypedDict, total=False):
    """SQS ReceiveMessage."""

    QueueUrl: Required[str]
    MaxNumberOfMessages: int
    VisibilityTimeout: int
    WaitTimeSeconds: int
    AttributeNames: Sequence[str]
    MessageSystemAttributeNames: Sequence[str]
    MessageAttributeNames: Sequence[str]
    ReceiveRequestAttemptId: str


class DeleteMessage(TypedDict):
    """SQS DeleteMessage."""

    QueueUrl: str
    ReceiptHandle: str


class ChangeMessageVisibility(TypedDict):
    """SQS ChangeMessageVisibility."""

    QueueUrl: str
    ReceiptHandle: str
    VisibilityTimeout: int


class ScheduleName(TypedDict, total=False):
    """EventBridge Scheduler GetSchedule and DeleteSchedule."""

    Name: Required[str]
    GroupName: str
    ClientToken: str


class WriteSchedule(TypedDict, total=False):
    """EventBridge Scheduler CreateSchedule and UpdateSchedule."""

    Name: Required[str]
    ScheduleExpression: Required[str]
    FlexibleTimeWindow: Required[Document]
    Target: Required[Document]
    GroupName: str
    ScheduleExpressionTimezone: str
    StartDate: datetime
    EndDate: datetime
    Description: str
    State: str
    KmsKeyArn: str
    ActionAfterCompletion: str
    ClientToken: str


class ListSchedules(TypedDict, total=False):
    """EventBridge Scheduler ListSchedules."""

    GroupName: str
    NamePrefix: str
    State: str
    MaxResults: int
    NextToken: str


class ScheduleGroup(TypedDict, total=False):
    """EventBridge Scheduler CreateScheduleGroup, GetScheduleGroup and DeleteScheduleGroup."""

    Name: Required[str]
    Tags: Sequence[Document]
    ClientToken: str


class SendEmail(TypedDict, total=False):
    """SES v2 SendEmail; Content takes Raw only."""

    Content: Required[Document]
    FromEmailAddress: str
    FromEmailAddressIdentityArn: str
    Destination: Document
    ReplyToAddresses: Sequence[str]
    FeedbackForwardingEmailAddress: str
    EmailTags: Sequence[Document]
    ConfigurationSetName: str


class CreateEmailIdentity(TypedDict, total=False):
    """SES v2 CreateEmailIdentity."""

    EmailIdentity: Required[str]
    Tags: Sequence[Document]
    DkimSigningAttributes: Document
    ConfigurationSetName: str


class CreateConfigurationSet(TypedDict, total=False):
    """SES v2 CreateConfigurationSet."""

    ConfigurationSetName: Required[str]
    TrackingOptions: Document
    DeliveryOptions: Document
    ReputationOptions: Document
    SendingOptions: Document
    Tags: Sequence[Document]
    SuppressionOptions: Document


class CreateEventDestination(TypedDict):
    """SES v2 CreateConfigurationSetEventDestination."""

    ConfigurationSetName: str
    EventDestinationName: str
    EventDestination: Document


class PutSuppressedDestination(TypedDict):
    """SES v2 PutSuppressedDestination."""

    EmailAddress: str
    Reason: str


class EmailAddress(TypedDict):
    """SES v2 GetSuppressedDestination and DeleteSuppressedDestination."""

    EmailAddress: str


class ListSuppressedDestinations(TypedDict, total=False):
    """SES v2 ListSuppressedDestinations."""

    Reasons: Sequence[str]
    StartDate: datetime
    EndDate: datetime
    NextToken: str
    PageSize: int


class GetParameter(TypedDict, total=False):
    """SSM GetParameter."""

    Name: Required[str]
    WithDecryption: bool


class GetParameters(TypedDict, total=False):
    """SSM GetParameters."""

    Names: Required[Sequence[str]]
    WithDecryption: bool


class PutParameter(TypedDict, total=False):
    """SSM PutParameter."""

    Name: Required[str]
    Value: Required[str]
    Type: str
    Description: str
    KeyId: str
    Overwrite: bool
    Tier: str
    DataType: str
    Tags: Sequence[Document]


class PutEvents(TypedDict, total=False):
    """EventBridge PutEvents."""

    Entries: Required[Sequence[Document]]
    EndpointId: str


class CreateEventBus(TypedDict, total=False):
    """EventBridge CreateEventBus, for a custom bus."""

    Name: Required[str]
    Description: str
    Tags: Sequence[Document]


class PutRule(TypedDict, total=False):
    """EventBridge PutRule; EventPattern takes `source`, `detail-type` and `detail` only."""

    Name: Required[str]
    EventPattern: str
    State: str
    Description: str
    RoleArn: str
    Tags: Sequence[Document]
    EventBusName: str


class PutTargets(TypedDict, total=False):
    """EventBridge PutTargets."""

    Rule: Required[str]
    Targets: Required[Sequence[Document]]
    EventBusName: str


class Nothing(TypedDict):
    """No arguments."""


class CreateBucket(TypedDict, total=False):
    """S3 CreateBucket."""

    Bucket: Required[str]
    CreateBucketConfiguration: Document


class PutBucketNotificationConfiguration(TypedDict):
    """S3 PutBucketNotificationConfiguration."""

    Bucket: str
    NotificationConfiguration: Document


class PutObject(TypedDict, total=False):
    """S3 PutObject."""

    Bucket: Required[str]
    Key: Required[str]
    Body: bytes
    ContentType: str


class GetObject(TypedDict):
    """S3 GetObject."""

    Bucket: str
    Key: str


class ListObjectsV2(TypedDict, total=False):
    """S3 ListObjectsV2."""

    Bucket: Required[str]
    Prefix: str
    MaxKeys: int
    ContinuationToken: str


class DeleteObject(TypedDict):
    """S3 DeleteObject."""

    Bucket: str
    Key: str


class DeleteObjects(TypedDict):
    """S3 DeleteObjects."""

    Bucket: str
    Delete: Document
