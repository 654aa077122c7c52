"""What has state or a bill, as one CloudFormation template, and its reader."""
